package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A slot is one small number that decides all of a cluster's ports, its networks and the name of its bridge; so clusters with different slots
// never meet. The ports are below 32768, where Linux begins to give ports to outgoing connections: a component that was stopped finds
// its port free again.
const (
	slots        = 256 // the third byte of the cluster's networks
	firstPort    = 20000
	portsPerSlot = 10
)

// chooseSlot prints a slot that nothing on this machine uses: `slot CLUSTERS`, where CLUSTERS is the folder of all clusters' data folders. Slots
// written there are taken even while their cluster, or a part of it, is stopped. The search begins at random, so that starts under different
// folders at the same moment hardly meet; if they do, the loser finds its port in use and chooses again.
func chooseSlot(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: slot CLUSTERS")
	}
	taken, err := slotsWritten(args[0])
	if err != nil {
		return err
	}
	start := rand.IntN(slots)
	for i := range slots {
		slot := (start + i) % slots
		if !taken[slot] && bridgeFree(slot) && portsFree(slot) {
			fmt.Println(slot)
			return nil
		}
	}
	return fmt.Errorf("no free block of %d ports between %d and %d on 127.0.0.1: end clusters that nobody needs", portsPerSlot, firstPort, firstPort+slots*portsPerSlot)
}

func slotsWritten(clusters string) (map[int]bool, error) {
	files, err := filepath.Glob(filepath.Join(clusters, "*", "slot"))
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the cluster has just been removed
		}
		if slot, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			taken[slot] = true
		}
	}
	return taken, nil
}

func bridgeFree(slot int) bool {
	_, err := net.InterfaceByName(fmt.Sprintf("millrace%d", slot))
	return err != nil
}

func portsFree(slot int) bool {
	for port := firstPort + slot*portsPerSlot; port < firstPort+(slot+1)*portsPerSlot; port++ {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		listener.Close()
	}
	return true
}
