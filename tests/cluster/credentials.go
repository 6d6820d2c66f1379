package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// validFor is long because nothing here renews a certificate, and a kept data folder should start again next year.
const validFor = 10 * 365 * 24 * time.Hour

// users get a token each. Those of the components have the names and groups that RBAC's bootstrap roles and the Node authorizer expect; alice and
// bob have no rights at all until a test grants some.
var users = []struct{ name, groups string }{
	{"admin", "system:masters"},
	{"system:kube-controller-manager", ""},
	{"system:kube-scheduler", ""},
	{"system:node:localhost", "system:nodes"},
	{"alice", ""},
	{"bob", ""},
}

// writeCredentials makes all keys, certificates and tokens of a new cluster: `credentials FOLDER [IP...]`, where the IPs are further addresses
// that clients may find the API server at. FOLDER appears at once and complete, so that an interrupted start leaves no half of it.
func writeCredentials(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: credentials FOLDER [IP...]")
	}
	folder, made := args[0], args[0]+".new"
	if err := os.RemoveAll(made); err != nil {
		return err
	}
	if err := os.MkdirAll(made, 0o700); err != nil {
		return err
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, arg := range args[1:] {
		ip := net.ParseIP(arg)
		if ip == nil {
			return fmt.Errorf("`%s` is not an IP address", arg)
		}
		addresses = append(addresses, ip)
	}
	for _, write := range []func(string) error{
		func(dir string) error { return writeCertificates(dir, addresses) },
		writeServiceAccountKeys,
		writeTokens,
	} {
		if err := write(made); err != nil {
			return err
		}
	}
	return os.Rename(made, folder)
}

func writeCertificates(dir string, addresses []net.IP) error {
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "millrace-cluster-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caKey, err := writeCertificate(dir, "ca", ca, ca, nil)
	if err != nil {
		return err
	}
	// One for all servers of the cluster: they are all found at the same addresses.
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: addresses,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if _, err := writeCertificate(dir, "server", server, ca, caKey); err != nil {
		return err
	}
	// What the API server shows to the kubelet, for logs and exec.
	kubeletClient := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	_, err = writeCertificate(dir, "kubelet-client", kubeletClient, ca, caKey)
	return err
}

// writeCertificate writes NAME.crt and NAME.key; without an issuer's key the certificate signs itself.
func writeCertificate(dir, name string, template, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if issuerKey == nil {
		issuerKey = key
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // for clocks that differ a little
	template.NotAfter = template.NotBefore.Add(validFor)
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate `%s`: %w", name, err)
	}
	if err := writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return key, writeKey(filepath.Join(dir, name+".key"), key)
}

func writeServiceAccountKeys(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(dir, "service-accounts.key"), key); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, "service-accounts.pub"), "PUBLIC KEY", public)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeTokens writes the API server's token file: token, user, uid and the groups in quotes.
func writeTokens(dir string) error {
	var lines strings.Builder
	for i, user := range users {
		token := make([]byte, 16)
		if _, err := rand.Read(token); err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s,%s,%d,\"%s\"\n", hex.EncodeToString(token), user.name, i+1, user.groups)
	}
	return os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(lines.String()), 0o600)
}
