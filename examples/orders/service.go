package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/beatlabs/patron"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/trace/provider"
)

const (
	name    = "orders"
	version = "1.0.0"
)

// shop is the whole tour: a service of its groups (stock, the consumer, the relay of the outbox if there is one, the public HTTP component) and what it holds
// open.
type shop struct {
	service *patron.Service
	book    *Book
	stock   *Stock
	held    []io.Closer // the last one is closed first
}

// newShop assembles the shop. onFinish, which may be nil, is told of every finished order; options are added to those of the service.
func newShop(ctx context.Context, s settings, onFinish func(Finish), options ...patron.OptionFunc) (*shop, error) {
	sh := &shop{book: NewBook(onFinish)}
	err := sh.assemble(ctx, s, options)
	if err != nil {
		return nil, errors.Join(err, sh.close())
	}
	return sh, nil
}

func (sh *shop) assemble(ctx context.Context, s settings, options []patron.OptionFunc) error {
	effects, err := OpenEffects(s.effects)
	if err != nil {
		return err
	}
	sh.held = append(sh.held, effects)
	tracing, err := sh.tracing(s.traces)
	if err != nil {
		return err
	}
	stock, err := newStock(s.stockFailures)
	if err != nil {
		return err
	}
	if sh.stock, err = newStockClient(stock.Addr); err != nil {
		return err
	}
	way, err := sh.openWay(ctx, s, effects)
	if err != nil {
		return err
	}
	p := &processor{book: sh.book, stock: sh.stock, journal: way.journal}
	consumer, err := newConsumer(p, way.orders)
	if err != nil {
		return err
	}
	public := &counter{book: sh.book, journal: way.journal}
	options = append(options,
		patron.WithTracing(tracing...),
		patron.WithComponents(stock),
		patron.WithComponents(&worker{Component: consumer, effects: effects, book: sh.book, lasts: way.lasts, opens: way.outbox != nil}),
		patron.WithHTTP(phttp.WithHost("127.0.0.1")),
		patron.WithRoutesBuilder(public.routes()),
	)
	if way.outbox != nil {
		relay, err := newRelay(p, way)
		if err != nil {
			return err
		}
		options = append(options, patron.WithComponents(&worker{Component: relay, effects: effects, book: sh.book, lasts: true, opens: true}))
	}
	sh.service, err = patron.New(name, version, options...)
	return err
}

// tracing samples every trace, and writes the spans to path, if there is one.
func (sh *shop) tracing(path string) ([]provider.OptionFunc, error) {
	always, err := provider.ParseSampler("parentbased_always_on", "")
	if err != nil {
		return nil, err
	}
	oo := []provider.OptionFunc{provider.WithSampler(always)}
	if path == "" {
		return oo, nil
	}
	file, err := os.Create(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	sh.held = append(sh.held, file)
	lines, err := provider.NewJSONExporter(file)
	if err != nil {
		return nil, err
	}
	return append(oo, provider.WithExporter(lines, provider.WithBlocking())), nil
}

// close closes what the shop holds, after its service has ended.
func (sh *shop) close() error {
	if sh.stock != nil {
		sh.stock.Close()
	}
	var errs []error
	for _, h := range slices.Backward(sh.held) {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// url waits until the shop is open and returns where it is, or "" if ctx ends first.
func (sh *shop) url(ctx context.Context) string {
	select {
	case <-sh.service.Started():
		return "http://" + sh.service.Addr()
	case <-ctx.Done():
		return ""
	}
}

// welcome says where the shop is and what to try.
func (sh *shop) welcome(w io.Writer, url string) {
	management := ""
	if addr := sh.service.ManagementAddr(); addr != "" {
		management = " (pprof, /info and the log level: http://" + addr + ")"
	}
	_, _ = fmt.Fprintf(w, "orders: %s%s\n\n", url, management)
	_, _ = fmt.Fprint(w, "Try it. Each line starts a trace of its own, whose ID is behind it:\n\n")
	for _, line := range curls(url) {
		_, _ = fmt.Fprintln(w, line)
	}
	_, _ = fmt.Fprint(w, "\nCtrl-C stops it, and loses nothing.\n\n")
}
