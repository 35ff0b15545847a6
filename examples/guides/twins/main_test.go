package main

import (
	"context"
	"net"
	"testing"
)

func TestTheTwinsStopTogether(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := run(ctx, 0, 0); err != nil {
		t.Error(err)
	}
}

func TestATwinThatCannotStartStopsTheOther(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := run(t.Context(), 0, taken.Addr().(*net.TCPAddr).Port); err == nil {
		t.Error("got nil, want an error about the port that is taken")
	}
}
