// Judges an exported log with the packages of Go's checksum database: signature, root of all records, one inclusion, and
// that every earlier checkpoint is of the same tree.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	must(err)
	return data
}

type head struct {
	size int64
	root tlog.Hash
}

func open(data []byte, known note.Verifiers) head {
	n, err := note.Open(data, known)
	must(err)
	lines := strings.Split(n.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return head{size, root}
}

func group(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	must(err)
	known := note.VerifierList(verifier)
	folder := os.Args[2]
	newest := open(read(filepath.Join(folder, "checkpoint")), known)
	fmt.Printf("signature of the head of %d records: ok\n", newest.size)

	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for n := int64(0); n < newest.size; {
		path := filepath.Join(folder, "tile/entries", group(n/256))
		if left := newest.size - n; left < 256 {
			path += fmt.Sprintf(".p/%d", left)
		}
		bundle := read(path)
		for len(bundle) > 0 {
			length := binary.BigEndian.Uint16(bundle)
			hashes, err := tlog.StoredHashes(n, bundle[2:2+length], reader)
			must(err)
			stored = append(stored, hashes...)
			bundle = bundle[2+length:]
			n++
		}
	}
	root, err := tlog.TreeHash(newest.size, reader)
	must(err)
	if root != newest.root {
		must(fmt.Errorf("the root of the records is another one"))
	}
	fmt.Println("root of all records: ok")

	files, err := filepath.Glob(filepath.Join(folder, "checkpoints", "*"))
	must(err)
	sort.Strings(files)
	for _, file := range files {
		old := open(read(file), known)
		proof, err := tlog.ProveTree(newest.size, old.size, reader)
		must(err)
		must(tlog.CheckTree(proof, newest.size, newest.root, old.size, old.root))
	}
	fmt.Printf("consistency of %d earlier heads: ok\n", len(files))

	parts := bytes.SplitN(read(os.Args[3]), []byte("\n\n"), 2)
	lines := strings.Split(string(parts[0]), "\n")
	record, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err)
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		must(err)
		path = append(path, hash)
	}
	at := open(parts[1], known)
	must(tlog.CheckRecord(path, at.size, at.root, index, tlog.RecordHash(record)))
	fmt.Printf("inclusion of record %d: ok\n", index)
}
