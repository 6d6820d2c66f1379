package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// probe asks a component whether it is ready: `probe [-ca FILE] [-for DURATION] [-pid PID] URL`. It asks again until the answer is 200, for as
// long as -for says and as the process PID lives.
func probe(args []string) error {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	ca := flags.String("ca", "", "CA certificate that must have signed the server's")
	patience := flags.Duration("for", 0, "how long to ask again")
	pid := flags.Int("pid", 0, "process without which asking again is useless")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("usage: probe [-ca FILE] [-for DURATION] [-pid PID] URL")
	}
	client, err := newClient(*ca)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(*patience); ; time.Sleep(50 * time.Millisecond) {
		err := ask(client, flags.Arg(0))
		if err == nil {
			return nil
		}
		if *pid != 0 && errors.Is(syscall.Kill(*pid, 0), syscall.ESRCH) {
			return fmt.Errorf("process %d has ended", *pid)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func newClient(ca string) (*http.Client, error) {
	pool := x509.NewCertPool()
	if ca != "" {
		certificate, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(certificate) {
			return nil, fmt.Errorf("`%s` holds no certificate", ca)
		}
	}
	// No proxy: what is probed is on this machine, whatever the environment says about others.
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	return &http.Client{Transport: transport}, nil
}

func ask(client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
