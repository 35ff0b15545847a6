package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	phttpclient "github.com/beatlabs/patron/client/http"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

// The stock service fails an attempt if the first byte of its digest is below failBelow (13 of 256, about 5 %), but never from attempt sureAttempt on, so that
// no order dies of it.
const (
	failBelow   = 13
	sureAttempt = 3
)

// stockFails reports whether stock fails this attempt at an invoice.
func stockFails(invoice string, attempt int) bool {
	digest := sha256.Sum256([]byte(invoice + "/" + strconv.Itoa(attempt)))
	return digest[0] < failBelow && attempt < sureAttempt
}

// reservation is what stock is asked for.
type reservation struct {
	Invoice string `json:"invoice" validate:"required"`
	Attempt int    `json:"attempt" validate:"min=1"`
}

// newStock returns the stock service: an HTTP component of its own on a free loopback port.
func newStock(fails bool) (*phttp.Component, error) {
	reserve := func(_ context.Context, r reservation) (*psync.Response, error) {
		if fails && stockFails(r.Invoice, r.Attempt) {
			return nil, psync.NewServiceUnavailableError("the shelf is being counted", time.Second)
		}
		return nil, nil //nolint:nilnil // no content
	}
	return phttp.New(phttp.WithName("stock"), phttp.WithAddress("127.0.0.1:0"),
		phttp.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewPostRouteBuilder("/reservations", psync.Handle(reserve)))))
}

// Stock asks the stock service.
type Stock struct {
	client *phttpclient.Client
	addr   func() net.Addr
}

// newStockClient returns a client of the service that listens on addr, which is asked when the first order comes.
func newStockClient(addr func() net.Addr) (*Stock, error) {
	client, err := phttpclient.New(phttpclient.WithTimeout(5*time.Second), phttpclient.WithMaxConnsPerHost(64))
	if err != nil {
		return nil, err
	}
	return &Stock{client: client, addr: addr}, nil
}

// Reserve takes the goods of an invoice from the shelf. The invoice is the idempotency key, so asking twice takes them once.
func (s *Stock) Reserve(ctx context.Context, invoice string, attempt int) error {
	body, err := json.Marshal(reservation{Invoice: invoice, Attempt: attempt})
	if err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr().String()+"/reservations", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", invoice)
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	_, drained := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if err := errors.Join(drained, resp.Body.Close()); err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("stock: reserve %s: %s", invoice, resp.Status)
	}
	return nil
}

// Close lets go of idle connections.
func (s *Stock) Close() { s.client.CloseIdleConnections() }
