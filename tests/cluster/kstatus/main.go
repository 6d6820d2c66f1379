// Command kstatus prints what the kstatus library, the judge inside Flux and other GitOps tools, thinks of Kubernetes objects.
//
// It reads JSON on standard input: one object, several one after another, arrays of them, or a List; and prints one line of JSON for each object,
// in the same order: {"status":"Current","message":"…"}.
//
// With the argument -health FILE it prints what Argo CD thinks of them, given the Lua script in that file: it runs it in the interpreter that Argo CD uses.
//
// It is a module of its own because the library raises modules that the API server is built from.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// compute gives the verdict on an object.
var compute = func(u *unstructured.Unstructured) (verdict, error) {
	result, err := status.Compute(u)
	if err != nil {
		return verdict{}, err
	}
	return verdict{Status: result.Status.String(), Message: result.Message}, nil
}

func main() {
	health := flag.String("health", "", "Lua script that gives the health of an object, as Argo CD runs it")
	flag.Parse()
	if *health != "" {
		compute = func(u *unstructured.Unstructured) (verdict, error) { return runHealth(*health, u.Object) }
	}
	out := bufio.NewWriter(os.Stdout)
	err := judgeAll(os.Stdin, json.NewEncoder(out))
	// What was judged before an error is still printed.
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "kstatus: %v\n", err)
		os.Exit(1)
	}
}

func judgeAll(in io.Reader, out *json.Encoder) error {
	values := json.NewDecoder(in)
	for n := 1; ; n++ {
		var value json.RawMessage
		if err := values.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("value %d of the input is not JSON: %w", n, err)
		}
		if err := judge(value, out); err != nil {
			return fmt.Errorf("value %d of the input: %w", n, err)
		}
	}
}

func judge(value json.RawMessage, out *json.Encoder) error {
	if value[0] == '[' {
		var items []json.RawMessage
		if err := json.Unmarshal(value, &items); err != nil {
			return err
		}
		return judgeEach(items, out)
	}
	// Kubernetes' own decoder keeps whole numbers as int64, as the library expects of a generation.
	var object map[string]any
	if err := utiljson.Unmarshal(value, &object); err != nil {
		return fmt.Errorf("not an object: %w", err)
	}
	u := &unstructured.Unstructured{Object: object}
	if u.IsList() {
		var list struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(value, &list); err != nil {
			return err
		}
		return judgeEach(list.Items, out)
	}
	result, err := compute(u)
	if err != nil {
		return fmt.Errorf("%s `%s`: %w", u.GetKind(), u.GetName(), err)
	}
	return out.Encode(result)
}

func judgeEach(items []json.RawMessage, out *json.Encoder) error {
	for _, item := range items {
		if err := judge(item, out); err != nil {
			return err
		}
	}
	return nil
}
