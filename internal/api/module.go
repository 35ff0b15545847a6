package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// Package is a package that users may import.
type Package struct {
	Path  string   // the import path
	Dir   string   // where its files are
	Files []string // the names of its files, without tests, those for other systems included
	types *types.Package
}

// listed is what go list says about a package.
type listed struct {
	ImportPath     string   `json:"ImportPath"`
	Name           string   `json:"Name"`
	Dir            string   `json:"Dir"`
	Export         string   `json:"Export"` // the file of what the compiler exports
	GoFiles        []string `json:"GoFiles"`
	IgnoredGoFiles []string `json:"IgnoredGoFiles"`
	Module         *struct {
		Main bool `json:"Main"`
	} `json:"Module"`
}

// Read returns the packages of the module in dir that others can import: no commands and nothing internal. It runs the go command, which compiles what is not
// compiled yet, and blocks until that is done or ctx ends.
func Read(ctx context.Context, dir string) ([]*Package, error) {
	all, err := list(ctx, dir)
	if err != nil {
		return nil, err
	}
	compiled := make(map[string]string)
	for _, l := range all {
		compiled[l.ImportPath] = l.Export
	}
	load := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) })
	var pp []*Package
	for _, l := range all {
		if l.Module == nil || !l.Module.Main || l.Name == "main" || internal(l.ImportPath) {
			continue
		}
		p := &Package{Path: l.ImportPath, Dir: l.Dir, Files: slices.Concat(l.GoFiles, l.IgnoredGoFiles)}
		if p.types, err = load.Import(l.ImportPath); err != nil {
			return nil, fmt.Errorf("api: %s: %w", l.ImportPath, err)
		}
		pp = append(pp, p)
	}
	return pp, nil
}

func list(ctx context.Context, dir string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=ImportPath,Name,Dir,Export,GoFiles,IgnoredGoFiles,Module", "./...")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("api: go list in %s: %s", dir, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("api: go list in %s: %w", dir, err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("api: go list in %s: %w", dir, err)
		}
		all = append(all, l)
	}
}

func internal(importPath string) bool {
	return slices.Contains(strings.Split(importPath, "/"), "internal")
}

// Lines returns the API of pp, one line a symbol, sorted by package and then by line.
func Lines(pp []*Package) []string {
	byPath := slices.SortedFunc(slices.Values(pp), func(a, b *Package) int { return cmp.Compare(a.Path, b.Path) })
	var lines []string
	for _, p := range byPath {
		w := writer{of: p.types, short: path.Dir(shortest(pp))}
		ll := w.lines()
		slices.Sort(ll)
		lines = append(lines, ll...)
	}
	return lines
}

// shortest returns the shortest import path: of packages of one module, the one that all others begin with.
func shortest(pp []*Package) string {
	return slices.MinFunc(pp, func(a, b *Package) int { return len(a.Path) - len(b.Path) }).Path
}
