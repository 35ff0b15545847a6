// snippet: program

// Command hello greets over HTTP.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/beatlabs/patron"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	service, err := patron.New("hello", "1.0.0",
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(
			phttp.NewGetRouteBuilder("/hello/{name}", hello),
		)),
	)
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

type greeting struct {
	Text string `json:"text"`
}

func hello(_ context.Context, req *psync.Request) (*psync.Response, error) {
	return psync.NewResponse(greeting{Text: "Hello, " + req.Field("name") + "!"}), nil
}

// end snippet
