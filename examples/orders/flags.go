package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// settings are the flags.
type settings struct {
	load          bool
	orders        string
	rate          int
	repeat        int
	stockFailures bool
	effects       string
	traces        string
	broker        string
	data          string
}

func parseFlags(args []string, stderr io.Writer) (settings, error) {
	var s settings
	fs := flag.NewFlagSet("orders", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&s.load, "load", false, "post the orders over HTTP, wait until all is done, stop, and print one line on standard output")
	fs.StringVar(&s.orders, "orders", "", "`FILE` of orders, one JSON object a line, plain or gzip (default: the embedded ones)")
	fs.IntVar(&s.rate, "rate", 0, "orders `N` a second, spread evenly; 0 is as fast as it goes")
	fs.IntVar(&s.repeat, "repeat", 1, "post the file `N` times, each pass with invoices and customers of its own")
	fs.BoolVar(&s.stockFailures, "stock-failures", true, "let the stock service fail about 5 % of the attempts")
	fs.StringVar(&s.effects, "effects", "", "append a JSON line to `FILE` for each finished order")
	fs.StringVar(&s.traces, "traces", "", "write finished spans as JSON lines to `FILE`")
	fs.StringVar(&s.broker, "broker", "sqlite:", "the `URL` of the broker between the counter and the processing: memory:, "+
		"sqlite: (the database of -data itself), sqlite:FILE, "+
		"postgres://…, kafka://HOST:PORT,…, amqp://…, sqs://HOST:PORT")
	fs.StringVar(&s.data, "data", "", "keep orders in `DIR`, so that they outlive the process (default: a temporary one, which goes with it)")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	var errs []error
	if fs.NArg() > 0 {
		errs = append(errs, fmt.Errorf("argument %q: want flags only", fs.Arg(0)))
	}
	if s.rate < 0 {
		errs = append(errs, fmt.Errorf("-rate %d: want 0 or more", s.rate))
	}
	if s.repeat < 1 {
		errs = append(errs, fmt.Errorf("-repeat %d: want 1 or more", s.repeat))
	}
	if _, err := parseBroker(s.broker); err != nil {
		errs = append(errs, err)
	}
	if s.broker == "memory:" && s.data != "" {
		errs = append(errs, errors.New("-data: not with -broker memory:, which dies with the process"))
	}
	fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "orders", "rate", "repeat":
			if !s.load {
				errs = append(errs, fmt.Errorf("-%s: only with -load", f.Name))
			}
		}
	})
	return s, errors.Join(errs...)
}
