package log_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
)

// stdout is a logger for examples: text without a time, on standard output.
func stdout() *plog.Leveled {
	return plog.New(plog.NewHandler(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}), nil))
}

func Example() {
	ctx := plog.WithContext(context.Background(), stdout())
	ctx = correlation.ContextWithID(ctx, "order-536365")

	plog.Slog(ctx).InfoContext(ctx, "order accepted", "invoice", "536365")
	plog.FromContext(ctx).Infof("order %s accepted", "536365")
	// Output:
	// level=INFO msg="order accepted" invoice=536365 correlationID=order-536365
	// level=INFO msg="order 536365 accepted" correlationID=order-536365
}

func ExampleSetup() {
	factory := func(fields map[string]any) plog.Logger { return stdout().Sub(fields) }
	if err := plog.Setup(factory, map[string]any{"srv": "orders"}); err != nil {
		fmt.Println(err)
		return
	}
	defer plog.SetDefault(nil)

	plog.Info("Hello world!")
	fmt.Println(plog.Setup(nil, nil))
	// Output:
	// level=INFO msg="Hello world!" srv=orders
	// factory is nil: want a function that makes a Logger
}

func ExampleSub() {
	plog.SetDefault(stdout())
	defer plog.SetDefault(nil)

	ctx := plog.WithContext(context.Background(), plog.Sub(map[string]any{"requestID": "7f"}))
	logger := plog.FromContext(ctx)
	logger.Infof("request processed")
	// Output: level=INFO msg="request processed" requestID=7f
}

func ExampleParseLevel() {
	level, err := plog.ParseLevel("WARN")
	fmt.Println(level, err)
	_, err = plog.ParseLevel("loud")
	fmt.Println(err)
	// Output:
	// warn <nil>
	// level "loud": want debug, info, warn, error, fatal, panic or none
}

func ExampleLeveled_SetLevel() {
	l := stdout()

	l.Warn("before")
	l.SetLevel(plog.ErrorLevel)
	l.Warn("below the level")
	fmt.Println(l.Level(), l.Enabled(plog.WarnLevel))
	// Output:
	// level=WARN msg=before
	// error false
}

func ExampleHandler() {
	library := slog.New(plog.Handler()).With("lib", "payments") // or slog.SetDefault
	ctx := plog.WithContext(context.Background(), stdout())

	library.InfoContext(ctx, "charged")
	// Output: level=INFO msg=charged lib=payments
}

func ExampleEnabled() {
	ctx := plog.WithContext(context.Background(), stdout())
	if plog.Enabled(ctx, plog.DebugLevel) {
		plog.Slog(ctx).DebugContext(ctx, "the whole order", "order", "expensive to compute")
	}
	fmt.Println("done")
	// Output: done
}
