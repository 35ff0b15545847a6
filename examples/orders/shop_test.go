package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/beatlabs/patron"
)

// openedShop is a shop that runs in this process, and a client of it.
type openedShop struct {
	*shop

	tb       testing.TB
	url      string
	client   *http.Client
	finishes chan Finish
	cancel   context.CancelFunc
	ended    chan struct{}
	err      error // of Run; read it after ended
}

// openShop runs a shop on free ports until the end of the test. Unless the test stops it, it must end without an error.
func openShop(tb testing.TB, s settings, options ...patron.OptionFunc) *openedShop {
	tb.Helper()
	o := &openedShop{
		tb: tb, finishes: make(chan Finish, 10_000), ended: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}, Timeout: deadline},
	}
	var err error
	if s.broker == "" {
		s.broker = "memory:"
	}
	o.shop, err = newShop(tb.Context(), s, func(f Finish) { o.finishes <- f }, append(options, patron.WithoutSignals(), patron.WithoutGlobals())...)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	o.cancel = cancel
	go func() {
		defer close(o.ended)
		o.err = o.service.Run(ctx)
	}()
	stopped := false
	tb.Cleanup(func() {
		select {
		case <-o.ended:
			stopped = true
		default:
		}
		if err := o.stop(); err != nil && !stopped {
			tb.Errorf("stop: %v", err)
		}
		if err := o.close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	if o.url = o.shop.url(patience(tb)); o.url == "" {
		tb.Fatal("the shop does not open")
	}
	return o
}

// stop stops the shop and returns the error of Run.
func (o *openedShop) stop() error {
	o.tb.Helper()
	o.client.CloseIdleConnections() // a stop waits for what may come over them
	o.cancel()
	select {
	case <-o.ended:
	case <-patience(o.tb).Done():
		o.tb.Fatal("the shop does not stop")
	}
	return o.err
}

// finished waits for the next n effects.
func (o *openedShop) finished(n int) []Finish {
	o.tb.Helper()
	var ff []Finish
	ctx := patience(o.tb)
	for len(ff) < n {
		select {
		case f := <-o.finishes:
			ff = append(ff, f)
		case <-ctx.Done():
			o.tb.Fatalf("%d orders are finished, want %d", len(ff), n)
		}
	}
	return ff
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request with more headers, name and value in turn.
func (o *openedShop) do(method, path, body string, header ...string) reply {
	o.tb.Helper()
	req, err := http.NewRequestWithContext(o.tb.Context(), method, o.url+path, strings.NewReader(body))
	if err != nil {
		o.tb.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := o.client.Do(req)
	if err != nil {
		o.tb.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		o.tb.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(content)}
}

func (o *openedShop) post(body string) reply {
	o.tb.Helper()
	return o.do(http.MethodPost, "/orders", body)
}

func (o *openedShop) get(path string) reply { o.tb.Helper(); return o.do(http.MethodGet, path, "") }

// accept posts an order that must be accepted.
func (o *openedShop) accept(invoice, customer string, change ...func(*Order)) {
	o.tb.Helper()
	if r := o.post(bodyOf(o.tb, invoice, customer, change...)); r.status != http.StatusAccepted {
		o.tb.Fatalf("order %s: status %d: %s", invoice, r.status, r.body)
	}
}

// bodyOf is an order without a fault, as JSON.
func bodyOf(tb testing.TB, invoice, customer string, change ...func(*Order)) string {
	tb.Helper()
	order := goodOrder()
	order.Invoice, order.Customer = invoice, customer
	for _, c := range change {
		c(order)
	}
	body, err := json.Marshal(order)
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

// manual makes an order one that needs a person.
func manual(o *Order) { o.Lines[1].SKU = "M" }

// decodeInto decodes all of text.
func decodeInto(tb testing.TB, text string, into any) {
	tb.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
}

// view gets an order, which must be there.
func (o *openedShop) view(invoice string) View {
	o.tb.Helper()
	r := o.get("/orders/" + invoice)
	if r.status != http.StatusOK {
		o.tb.Fatalf("order %s: status %d: %s", invoice, r.status, r.body)
	}
	var v View
	decodeInto(o.tb, r.body, &v)
	return v
}

func (o *openedShop) summary() Summary {
	o.tb.Helper()
	var s Summary
	decodeInto(o.tb, o.get("/summary").body, &s)
	return s
}

// awaitReady asks until /ready says so.
func (o *openedShop) awaitReady(want string) {
	o.tb.Helper()
	ctx := patience(o.tb)
	for {
		r := o.get("/ready")
		if strings.TrimSpace(r.body) == want && r.status == http.StatusOK {
			return
		}
		if ctx.Err() != nil {
			o.tb.Fatalf("/ready: got %d %s, want 200 %s", r.status, r.body, want)
		}
	}
}
