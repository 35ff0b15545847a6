package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/trace/provider"
)

const (
	name    = "orders"
	version = "1.0.0"
	queue   = "orders"
)

// shop is the whole tour: a service of three groups (stock, the consumer, the public HTTP component) and the files that it writes.
type shop struct {
	service *patron.Service
	book    *Book
	stock   *Stock
	files   []io.Closer
}

// newShop assembles the shop. onFinish, which may be nil, is told of every finished order; options are added to those of the service.
func newShop(s settings, onFinish func(Finish), options ...patron.OptionFunc) (*shop, error) {
	sh := &shop{book: NewBook(onFinish)}
	effects, err := OpenEffects(s.effects)
	if err != nil {
		return nil, err
	}
	sh.files = append(sh.files, effects)
	tracing, err := sh.tracing(s.traces)
	if err != nil {
		return nil, errors.Join(err, sh.close())
	}
	if err := sh.assemble(s, effects, append(options, patron.WithTracing(tracing...))); err != nil {
		return nil, errors.Join(err, sh.close())
	}
	return sh, nil
}

func (sh *shop) assemble(s settings, effects *Effects, options []patron.OptionFunc) error {
	broker, err := memory.New()
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
	records := &volatileJournal{producer: broker.Producer(queue), effects: effects}
	consumer, err := newConsumer(&processor{book: sh.book, stock: sh.stock, journal: records}, broker.Consumer(queue))
	if err != nil {
		return err
	}
	public := &counter{book: sh.book, journal: records}
	sh.service, err = patron.New(name, version, append(options,
		patron.WithComponents(stock),
		patron.WithComponents(&watched{Component: consumer, effects: effects}),
		patron.WithHTTP(phttp.WithHost("127.0.0.1")),
		patron.WithRoutesBuilder(public.routes()),
	)...)
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
	sh.files = append(sh.files, file)
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
	for _, f := range sh.files {
		errs = append(errs, f.Close())
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

// watched is the consumer, whose health is also that of the effects file.
type watched struct {
	*async.Component
	effects *Effects
}

// Check returns what keeps orders from being processed.
func (w *watched) Check(ctx context.Context) error {
	return errors.Join(w.Component.Check(ctx), w.effects.Check(ctx))
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
