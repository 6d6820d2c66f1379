package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// forward carries every TCP connection to LISTEN on to TARGET: `forward LISTEN TARGET OWNER`. It stands in for kube-proxy, for the one Service that
// every pod may use: `kubernetes`. The real one would rewrite the machine's packet filter. OWNER is only there for others to read in the list of
// processes.
func forward(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: forward LISTEN TARGET OWNER")
	}
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go carry(client, args[1])
	}
}

func carry(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		fmt.Fprintf(os.Stderr, "forward for %s: %v\n", client.RemoteAddr(), err)
		return
	}
	defer server.Close()
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // an error here is a connection that ended, and so does the other half
			ended <- struct{}{}
		}()
	}
	<-ended
}
