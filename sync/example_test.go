package sync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/beatlabs/patron/encoding/json"
	psync "github.com/beatlabs/patron/sync"
)

type purchase struct {
	Invoice string `json:"invoice" validate:"required,pattern=^[A-Za-z0-9]{1,32}$"`
	Lines   []item `json:"lines"   validate:"minlen=1"`
}

type item struct {
	SKU      string `json:"sku"      validate:"required"`
	Quantity int    `json:"quantity" validate:"min=1,max=1000000"`
}

func Example() {
	create := psync.Handle(func(_ context.Context, p purchase) (*psync.Response, error) {
		return &psync.Response{Status: 202, Header: map[string]string{"Location": "/orders/" + p.Invoice}}, nil
	})
	post := func(body string) {
		res, err := create(context.Background(), psync.NewRequest(nil, strings.NewReader(body), nil, json.Decode))
		if e, ok := errors.AsType[*psync.Error](err); ok {
			fmt.Println(e.HTTPStatus(), e.Message)
			for _, f := range e.Faults {
				fmt.Println("   ", f.Pointer, f.Detail)
			}
			return
		}
		fmt.Println(res.Status, res.Header["Location"])
	}

	post(`{"invoice": "536365", "lines": [{"sku": "85123A", "quantity": 6}]}`)
	post(`{"invoice": 536365, "lines": [{"quantity": 0}, {"sku": "71053", "quantity": "six"}]}`)
	post(`{"invoice": "536365", `)
	// Output:
	// 202 /orders/536365
	// 422 the input has 4 faults
	//     /invoice must be a string, not a number
	//     /lines/0/quantity must be at least 1
	//     /lines/0/sku is required
	//     /lines/1/quantity must be an integer, not a string
	// 400 JSON that ends early, after byte 22
}

func ExampleChain() {
	greet := func(context.Context, *psync.Request) (*psync.Response, error) { return psync.NewResponse("hello"), nil }
	deny := func(next psync.ProcessorFunc) psync.ProcessorFunc {
		return func(ctx context.Context, req *psync.Request) (*psync.Response, error) {
			if req.Header("X-Key") == "" {
				return nil, psync.NewUnauthorizedError("a key is wanted")
			}
			return next(ctx, req)
		}
	}
	p := psync.Chain(greet, deny)

	_, err := p(context.Background(), psync.NewRequest(nil, nil, nil, nil))
	fmt.Println(err)
	res, err := p(context.Background(), psync.NewRequest(nil, nil, map[string]string{"X-Key": "k"}, nil))
	fmt.Println(res.Payload, err)
	// Output:
	// Unauthenticated: a key is wanted
	// hello <nil>
}

func ExampleCodeOf() {
	err := fmt.Errorf("orders: %w", &psync.Error{Code: psync.NotFound, Message: "order 536365 is not known", Err: errors.New("no rows")})

	fmt.Println(psync.CodeOf(err), psync.CodeOf(err).HTTPStatus())
	fmt.Println(err)
	fmt.Println(psync.CodeOf(context.DeadlineExceeded))
	// Output:
	// NotFound 404
	// orders: NotFound: order 536365 is not known: no rows
	// DeadlineExceeded
}

func ExampleValidator() {
	v, err := psync.NewValidator[purchase]()
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, f := range v.Validate(&purchase{Invoice: "536 365"}) {
		fmt.Println(f.Pointer, f.Detail)
	}
	// Output:
	// /invoice must match ^[A-Za-z0-9]{1,32}$
	// /lines must have at least 1 element
}

func ExampleCheck() {
	type bad struct {
		Quantity int `json:"quantity" validate:"atleast=1"`
	}
	p := psync.Handle(func(_ context.Context, b bad) (int, error) { return b.Quantity, nil })

	fmt.Println(psync.Check(p))
	// Output: sync: sync_test.bad.Quantity: tag validate: unknown rule "atleast": want required, optional, min, max, minlen, maxlen, enum, pattern or each
}
