package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"

	"github.com/beatlabs/patron/async"
	phttp "github.com/beatlabs/patron/component/http"
	"github.com/beatlabs/patron/encoding/json"
	psync "github.com/beatlabs/patron/sync"
)

// counter is the public side: it takes orders and tells what became of them.
type counter struct {
	book    *Book
	journal journal
}

// routes are the public routes.
func (c *counter) routes() *phttp.RoutesBuilder {
	return phttp.NewRoutesBuilder().
		Append(phttp.NewPostRouteBuilder("/orders", c.countRefused(psync.Handle(c.place)))).
		Append(phttp.NewGetRouteBuilder("/orders", c.list)).
		Append(phttp.NewGetRouteBuilder("/orders/{invoice}", c.show)).
		Append(phttp.NewGetRouteBuilder("/summary", c.summary))
}

// countRefused counts the orders that are refused at the door.
func (c *counter) countRefused(next psync.ProcessorFunc) psync.ProcessorFunc {
	return func(ctx context.Context, req *psync.Request) (*psync.Response, error) {
		resp, err := next(ctx, req)
		if e, ok := errors.AsType[*psync.Error](err); ok && e.HTTPStatus() == http.StatusUnprocessableEntity {
			c.book.Refuse()
		}
		return resp, err
	}
}

// place takes an order: 202 once the broker has confirmed it.
func (c *counter) place(ctx context.Context, o *Order) (*psync.Response, error) {
	data, digest, err := o.encode()
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", o.Invoice, err)
	}
	placing, err := c.book.Place(ctx, o, digest)
	if err != nil {
		return nil, &psync.Error{Code: psync.Unavailable, Message: "the same order is being taken", Err: err}
	}
	switch placing {
	case PlacedBefore:
		return c.answer(o, http.StatusOK), nil
	case PlacedDifferent:
		return nil, psync.Errorf(psync.AlreadyExists, "invoice %s is there with other content", o.Invoice)
	case PlacedNew:
	}
	msg := &async.Message{Key: []byte(o.Customer), Data: data, Headers: async.Headers{{Key: async.HeaderContentType, Value: json.TypeCharset}}}
	if err := c.accept(ctx, o, digest, msg); errors.Is(err, errDifferent) {
		return nil, psync.Errorf(psync.AlreadyExists, "invoice %s is there with other content", o.Invoice)
	} else if err != nil {
		return nil, &psync.Error{Code: psync.Unavailable, Message: "the order could not be taken: post it again", Err: err}
	}
	return c.answer(o, http.StatusAccepted), nil
}

// accept makes the order certain and tells the book how it went, even if that panics: an order that is never decided would keep its repetitions waiting.
func (c *counter) accept(ctx context.Context, o *Order, digest [sha256.Size]byte, msg *async.Message) (err error) {
	sent := false
	defer func() {
		if sent {
			c.book.Confirm(o.Invoice)
		} else if !c.book.Withdraw(o.Invoice) {
			err = nil // the broker had it after all: it is being processed
		}
	}()
	err = c.journal.Accept(ctx, o, digest, msg)
	sent = err == nil
	return err
}

func (c *counter) answer(o *Order, status int) *psync.Response {
	view, _ := c.book.Order(o.Invoice)
	return &psync.Response{Status: status, Payload: view, Header: map[string]string{"Location": location(o.Invoice)}}
}

func (c *counter) show(_ context.Context, req *psync.Request) (*psync.Response, error) {
	view, ok := c.book.Order(req.Fields["invoice"])
	if !ok {
		return nil, psync.NewNotFoundError("there is no such order")
	}
	return psync.NewResponse(view), nil
}

func (c *counter) list(_ context.Context, req *psync.Request) (*psync.Response, error) {
	customer, ok := req.Fields["customer"]
	if !ok {
		return nil, psync.NewValidationError("say whose orders", psync.Fault{Pointer: "/customer", Detail: "the query parameter customer is missing"})
	}
	return psync.NewResponse(map[string][]View{"orders": c.book.Orders(customer)}), nil
}

func (c *counter) summary(context.Context, *psync.Request) (*psync.Response, error) {
	return psync.NewResponse(c.book.Summary()), nil
}
