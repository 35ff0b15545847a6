package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// sizes builds three programs as they are shipped and weighs them.
func (m *machine) sizes(ctx context.Context, f flags) ([]row, error) {
	const what = "Size/stripped"
	if !f.only.MatchString(what) {
		return nil, nil
	}
	var rows []row
	for _, p := range []struct{ who, folder string }{{"reference", "reference"}, {"patron", "empty"}, {"net-http", "nethttp"}} {
		m.sayf("size of %s", p.who)
		binary := filepath.Join(m.dir, p.folder)
		//nolint:gosec // the folders are those above
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "github.com/beatlabs/patron/bench/size/"+p.folder)
		cmd.Env = append(cmd.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		if _, err := output(ctx, cmd); err != nil {
			return nil, err
		}
		info, err := os.Stat(binary)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{what: what, who: p.who, unit: size, values: []float64{float64(info.Size())}})
	}
	return rows, nil
}
