package patron_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
)

// counter counts until it is told to stop.
type counter struct{ work chan int }

func (c *counter) String() string { return "counter" }

func (c *counter) Run(ctx context.Context) error {
	sum := 0
	for {
		select {
		case n := <-c.work:
			sum += n
		case <-ctx.Done():
			fmt.Println("sum:", sum)
			return nil
		}
	}
}

func Example() {
	c := &counter{work: make(chan int)}
	service, err := patron.New("example", "1.0.0",
		patron.WithComponents(c),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(
			phttp.NewRawRouteBuilder("/add", func(w http.ResponseWriter, _ *http.Request) {
				c.work <- 1
				fmt.Fprint(w, "added")
			}).MethodPost())),
		patron.WithHTTP(phttp.WithAddress("127.0.0.1:0")), // a free port; without it: port 50000
		patron.WithLogger(silent{}), patron.WithoutGlobals(),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error)
	go func() { done <- service.Run(ctx) }()
	<-service.Started()

	response, err := http.Post("http://"+service.Addr()+"/add", "text/plain", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(response.StatusCode, string(body))

	stop() // or SIGTERM
	fmt.Println(<-done, service.State())
	// Output:
	// 200 added
	// sum: 1
	// <nil> stopped
}

// A component that has done all it was meant to do ends the service without an error.
func ExampleService_Run() {
	job := jobFunc(func(context.Context) error {
		fmt.Println("migrated")
		return component.ErrDone
	})
	service, err := patron.New("migration", "1.0.0", patron.WithComponents(job), patron.WithoutHTTP(), patron.WithLogger(silent{}), patron.WithoutGlobals())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(service.Run(context.Background()))
	// Output:
	// migrated
	// <nil>
}

// Everything that is wrong is said at once.
func ExampleNew() {
	_, err := patron.New("", "1.0.0", patron.WithComponents(nil), patron.WithGracePeriod(-1))
	fmt.Println(err)
	// Output:
	// patron: name: empty
	// components: component 1 of 1 is nil (<nil>)
	// grace period -1ns: want 0 or more
}

type jobFunc func(ctx context.Context) error

func (f jobFunc) Run(ctx context.Context) error { return f(ctx) }
