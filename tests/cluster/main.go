// Command millrace-cluster is a whole Kubernetes in one binary. The first argument names the component or the tool, the rest are its own flags; a
// link to it named like a component (kubectl) is that component. One binary instead of six, because the components share nearly all of their
// code. The script `cluster` beside this file is what calls it.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // time zones of CronJobs, on machines without zoneinfo

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl: credential plugins, for clusters other than ours
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// components are programs of Kubernetes; they parse os.Args themselves.
var components = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          func() { run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() { run(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func() { run(scheduler.NewSchedulerCommand()) },
	"kubelet":                 func() { run(kubelet.NewKubeletCommand(context.Background())) },
	"kubectl":                 runKubectl,
}

// tools are what the script needs and a shell does badly.
var tools = map[string]func(args []string) error{
	"credentials": writeCredentials,
	"forward":     forward,
	"image":       writeImage,
	"probe":       probe,
	"slot":        chooseSlot,
}

func main() {
	if component, ok := components[filepath.Base(os.Args[0])]; ok {
		component()
		return
	}
	name, args := "", []string(nil)
	if len(os.Args) > 1 {
		name, args = os.Args[1], os.Args[2:]
	}
	if component, ok := components[name]; ok {
		os.Args = append([]string{filepath.Join(filepath.Dir(os.Args[0]), name)}, args...)
		component()
		return
	}
	tool, ok := tools[name]
	if !ok {
		names := slices.Sorted(maps.Keys(components))
		names = append(names, slices.Sorted(maps.Keys(tools))...)
		fmt.Fprintf(os.Stderr, "millrace-cluster: no component or tool `%s`: the first argument is one of %s\n", name, strings.Join(names, ", "))
		os.Exit(2)
	}
	if err := tool(args); err != nil {
		fmt.Fprintf(os.Stderr, "millrace-cluster %s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// runKubectl does what kubectl's own main does: the verbosity must be known before the command is built, and errors are printed its way.
func runKubectl() {
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) // a wrong -v is reported when the flags are parsed
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}
