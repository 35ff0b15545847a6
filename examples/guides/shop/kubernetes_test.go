package main

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// Kubernetes kills what has not ended within terminationGracePeriodSeconds: that must be longer than a stop takes at most.
func TestKubernetesWaitsForTheWholeStop(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	value := func(pattern, unit string) time.Duration {
		m := regexp.MustCompile(pattern).FindSubmatch(manifest)
		if m == nil {
			t.Fatalf("nothing in kubernetes.yaml matches %s", pattern)
		}
		d, err := time.ParseDuration(string(m[1]) + unit)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	stop := value(`PATRON_DRAIN_DELAY, value: (\S+) }`, "") + value(`PATRON_GRACE_PERIOD, value: (\S+) }`, "") + 5*time.Second
	if allowed := value(`terminationGracePeriodSeconds: (\d+)`, "s"); allowed <= stop {
		t.Errorf("got terminationGracePeriodSeconds of %v, want more than the %v that a stop may take", allowed, stop)
	}
}
