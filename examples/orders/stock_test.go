package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Invoices that stock treats so.
const (
	sound        = "F0"   // takes one attempt
	failing      = "F21"  // fails once
	failingTwice = "F180" // fails twice
)

func TestStockFailsWhoseDigestSaysSo(t *testing.T) {
	t.Parallel()
	// printf F21/1 | sha256sum begins with a byte below 13, and so on.
	tests := map[string][]bool{
		sound:        {false, false, false},
		failing:      {true, false, false},
		failingTwice: {true, true, false},
	}
	for invoice, wants := range tests {
		for i, want := range wants {
			if got := stockFails(invoice, i+1); got != want {
				t.Errorf("stockFails(%q, %d) = %t, want %t", invoice, i+1, got, want)
			}
		}
	}
}

func TestStockFailsAboutOneAttemptInTwentyAndNeverTheThird(t *testing.T) {
	t.Parallel()
	const invoices = 20_000
	fails := [5]int{}
	for i := range invoices {
		for attempt := 1; attempt < len(fails); attempt++ {
			if stockFails(strconv.Itoa(i), attempt) {
				fails[attempt]++
			}
		}
	}

	for attempt := 1; attempt <= 2; attempt++ {
		if share := float64(fails[attempt]) / invoices; share < 0.045 || share > 0.057 {
			t.Errorf("attempt %d: %.1f %% fail, want about 5", attempt, 100*share)
		}
	}
	if fails[3] != 0 || fails[4] != 0 {
		t.Errorf("%d third and %d fourth attempts fail, want none", fails[3], fails[4])
	}
}

func TestReservationSaysWhatFailed(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{stockFailures: true})

	err := s.stock.Reserve(t.Context(), failing, 1)

	if want := "stock: reserve " + failing + ": 503"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	if err := s.stock.Reserve(t.Context(), failing, 2); err != nil {
		t.Errorf("second attempt: got %v, want none", err)
	}
}

func TestReservationHasTheInvoiceAsItsIdempotencyKey(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Idempotency-Key"), body)
		w.WriteHeader(http.StatusNoContent)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // until the test closes it
	}()
	stock, err := newStockClient(l.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		stock.Close()
		srv.Close()
		<-served
	}()

	if err := stock.Reserve(t.Context(), sound, 2); err != nil {
		t.Fatal(err)
	}

	if got, want := <-asked, `POST /reservations F0 {"invoice":"F0","attempt":2}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStockThatMayNotFailDoesNot(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{stockFailures: false})

	if err := s.stock.Reserve(t.Context(), failing, 1); err != nil {
		t.Errorf("got %v, want none", err)
	}
}
