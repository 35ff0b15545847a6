package broker

import (
	"context"
	"errors"
	"os"
)

// Record is what another process needs to find and to stop a detached broker. It can be kept as JSON.
type Record struct {
	Kind    Kind   `json:"kind"`
	Version string `json:"version"`
	Address string `json:"address"`
	// Dir is removed by Remove. It is empty if Spec.Dir named it.
	Dir string `json:"dir,omitempty"`
	// Processes are in the order in which they are stopped.
	Processes []Process `json:"processes,omitempty"`
}

// Record is the record of the broker as it is now.
func (b *Broker) Record() Record {
	r := Record{Kind: b.Kind(), Version: b.Version(), Address: b.Address()}
	if b.ours {
		r.Dir = b.dir
	}
	for _, n := range append(b.Nodes(), b.helpers...) {
		n.mu.Lock()
		if n.child != nil {
			r.Processes = append(r.Processes, n.child.Process)
		}
		n.mu.Unlock()
	}
	return r
}

// Alive reports whether all its processes run.
func (r Record) Alive() bool {
	for _, p := range r.Processes {
		if !p.Alive() {
			return false
		}
	}
	return len(r.Processes) > 0
}

// Remove stops what still runs of the broker, each process by its own number and only if it is still the same process, and removes its directory.
func (r Record) Remove(ctx context.Context) error {
	var errs []error
	for _, p := range r.Processes {
		errs = append(errs, p.stop(ctx))
	}
	if r.Dir != "" {
		errs = append(errs, os.RemoveAll(r.Dir))
	}
	return errors.Join(errs...)
}

func (p Process) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	return p.End(ctx)
}
