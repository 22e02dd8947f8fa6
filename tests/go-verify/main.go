// Checks proofs and signed checkpoints of this project with the Go checksum database's own code.
//
// One JSON object per line on standard input; "ok" or "refused: …" per line on standard output.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Op       string   `json:"op"`
	TreeSize int64    `json:"tree_size"`
	Root     string   `json:"root"`
	LeafHash string   `json:"leaf_hash"`
	Index    int64    `json:"index"`
	Proof    []string `json:"proof"`
	Size1    int64    `json:"size1"`
	Size2    int64    `json:"size2"`
	Root1    string   `json:"root1"`
	Root2    string   `json:"root2"`
	Note     string   `json:"note"`
	Key      string   `json:"key"`
}

func hash(text string) (h tlog.Hash, err error) {
	bytes, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && len(bytes) != len(h) {
		err = fmt.Errorf("%d bytes are not a hash", len(bytes))
	}
	copy(h[:], bytes)
	return h, err
}

func hashes(texts []string) (list []tlog.Hash, err error) {
	for _, text := range texts {
		h, err := hash(text)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

// Opens a checkpoint and compares it with the size and root that are expected.
func checkpoint(r request) error {
	verifier, err := note.NewVerifier(r.Key)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(r.Note), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[1] != strconv.FormatInt(r.TreeSize, 10) || lines[2] != r.Root {
		return fmt.Errorf("checkpoint of another tree")
	}
	return nil
}

func check(r request) error {
	switch r.Op {
	case "checkpoint":
		return checkpoint(r)
	case "inclusion", "consistency":
	default:
		return fmt.Errorf("unknown op %q", r.Op)
	}
	proof, err := hashes(r.Proof)
	if err != nil {
		return err
	}
	var named [4]tlog.Hash
	for i, text := range []string{r.Root, r.LeafHash, r.Root1, r.Root2} {
		if text == "" {
			continue
		}
		if named[i], err = hash(text); err != nil {
			return err
		}
	}
	if r.Op == "inclusion" {
		return tlog.CheckRecord(proof, r.TreeSize, named[0], r.Index, named[1])
	}
	return tlog.CheckTree(proof, r.Size2, named[3], r.Size1, named[2])
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	for input.Scan() {
		var r request
		err := json.Unmarshal(input.Bytes(), &r)
		if err == nil {
			err = check(r)
		}
		if err != nil {
			fmt.Println("refused:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok")
		}
	}
	if err := input.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
