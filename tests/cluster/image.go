package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strings"
)

// writeImage makes a container image without a container tool: `image [-busybox FILE] [-command WORDS] OUT REFERENCE [FILE:PATH...]`. OUT is an
// archive as `docker save` writes it, with the machine's static busybox, all its links, and each FILE at PATH with FILE's mode.
func writeImage(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	busybox := flags.String("busybox", "/bin/busybox", "statically linked busybox")
	command := flags.String("command", "sh", "what the image runs, words separated by spaces")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		return fmt.Errorf("usage: image [-busybox FILE] [-command WORDS] OUT REFERENCE [FILE:PATH...]")
	}
	layer, err := buildLayer(*busybox, flags.Args()[2:])
	if err != nil {
		return err
	}
	return writeArchive(flags.Arg(0), flags.Arg(1), strings.Fields(*command), layer)
}

// layer is a tar under construction that remembers which folders it has.
type layer struct {
	tar     *tar.Writer
	folders map[string]bool
}

func buildLayer(busybox string, files []string) ([]byte, error) {
	applets, err := appletsOf(busybox)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	l := layer{tar: tar.NewWriter(&out), folders: map[string]bool{".": true}}
	if err := l.addFile(busybox, "bin/busybox"); err != nil {
		return nil, err
	}
	for _, applet := range applets {
		link := tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox", Mode: 0o777}
		if err := l.tar.WriteHeader(&link); err != nil {
			return nil, err
		}
	}
	if err := l.addText("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644); err != nil {
		return nil, err
	}
	if err := l.addText("etc/group", "root:x:0:\nnogroup:x:65534:\n", 0o644); err != nil {
		return nil, err
	}
	if err := l.addFolder("tmp", 0o1777); err != nil {
		return nil, err
	}
	for _, file := range files {
		from, to, ok := strings.Cut(file, ":")
		if !ok || !path.IsAbs(to) {
			return nil, fmt.Errorf("`%s` is not FILE:PATH with an absolute PATH", file)
		}
		if err := l.addFile(from, strings.TrimPrefix(path.Clean(to), "/")); err != nil {
			return nil, err
		}
	}
	if err := l.tar.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// appletsOf also refuses a busybox that could not run where there are no libraries.
func appletsOf(busybox string) ([]string, error) {
	binary, err := elf.Open(busybox)
	if err != nil {
		return nil, fmt.Errorf("open `%s`: %w; the Debian package is busybox-static", busybox, err)
	}
	defer binary.Close()
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("`%s` is linked dynamically: the Debian package busybox-static has the static one", busybox)
		}
	}
	names, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("`%s --list`: %w", busybox, err)
	}
	applets := strings.Fields(string(names))
	for i, applet := range applets {
		if applet == "busybox" {
			return append(applets[:i], applets[i+1:]...), nil
		}
	}
	return applets, nil
}

func (l *layer) addFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return l.addText(to, string(content), info.Mode().Perm())
}

func (l *layer) addText(name, content string, mode fs.FileMode) error {
	if err := l.addFolders(path.Dir(name)); err != nil {
		return err
	}
	if err := l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: int64(mode)}); err != nil {
		return err
	}
	_, err := l.tar.Write([]byte(content))
	return err
}

func (l *layer) addFolders(folder string) error {
	if l.folders[folder] {
		return nil
	}
	if err := l.addFolders(path.Dir(folder)); err != nil {
		return err
	}
	return l.addFolder(folder, 0o755)
}

func (l *layer) addFolder(folder string, mode int64) error {
	l.folders[folder] = true
	return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: mode})
}

func writeArchive(out, reference string, command []string, layer []byte) error {
	digest := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Cmd": command, "Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{reference}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, entry := range []struct {
		name    string
		content []byte
	}{{"config.json", config}, {"layer.tar", layer}, {"manifest.json", manifest}} {
		if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: entry.name, Size: int64(len(entry.content)), Mode: 0o644}); err != nil {
			return err
		}
		if _, err := writer.Write(entry.content); err != nil {
			return err
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	return os.WriteFile(out, archive.Bytes(), 0o644)
}
