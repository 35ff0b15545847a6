package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// curls returns three command lines that place an order and look at it, each with the ID of the trace that it starts (W3C Trace Context).
func curls(url string) []string {
	const order = `{"invoice":"TOUR1","customer":"17850","country":"United Kingdom","time":"2010-12-01T08:26:00Z",` +
		`"lines":[{"sku":"85123A","description":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"unit_price":"2.55"}]}`
	lines := make([]string, 0, 3)
	for _, what := range []string{
		fmt.Sprintf("-d '%s' -H 'Content-Type: application/json' %s/orders", order, url),
		url + "/orders/TOUR1",
		url + "/summary",
	} {
		id, parent := traceparent()
		lines = append(lines, fmt.Sprintf("curl -sS -H 'traceparent: %s' %s   # trace %s", parent, what, id))
	}
	return lines
}

// traceparent makes the header that starts a sampled trace.
func traceparent() (id, header string) {
	var raw [24]byte
	_, _ = rand.Read(raw[:]) // never fails
	id = hex.EncodeToString(raw[:16])
	return id, "00-" + id + "-" + hex.EncodeToString(raw[16:]) + "-01"
}
