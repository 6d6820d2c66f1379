// Command kstatus prints what the kstatus library, the judge inside Flux and other GitOps tools, thinks of Kubernetes objects.
//
// It reads JSON on standard input: one object, several one after another, arrays of them, or a List; and prints one line of JSON for each object,
// in the same order: {"status":"Current","message":"…"}.
//
// It is a module of its own because the library raises modules that the API server is built from.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

type verdict struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
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
	result, err := status.Compute(u)
	if err != nil {
		return fmt.Errorf("%s `%s`: %w", u.GetKind(), u.GetName(), err)
	}
	return out.Encode(verdict{Status: result.Status, Message: result.Message})
}

func judgeEach(items []json.RawMessage, out *json.Encoder) error {
	for _, item := range items {
		if err := judge(item, out); err != nil {
			return err
		}
	}
	return nil
}
