package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"

	psync "github.com/beatlabs/patron/sync"
)

// Order is one invoice of the shop, as it is posted.
type Order struct {
	Invoice  string `json:"invoice"`
	Customer string `json:"customer"`
	Country  string `json:"country"`
	Time     string `json:"time"`
	Lines    []Line `json:"lines"`
}

// Line is one line of an invoice.
type Line struct {
	SKU         string `json:"sku"`
	Description string `json:"description"`
	Quantity    int64  `json:"quantity"`
	UnitPrice   string `json:"unit_price"`
}

const maxQuantity = 1_000_000

var invoicePattern = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

// reserved is no invoice: GET /orders/events is to be a stream.
const reserved = "events"

// Validate names every fault of the order.
func (o *Order) Validate() []psync.Fault {
	var ff []psync.Fault
	fault := func(pointer, detail string) { ff = append(ff, psync.Fault{Pointer: pointer, Detail: detail}) }
	switch {
	case !invoicePattern.MatchString(o.Invoice):
		fault("/invoice", "want 1 to 32 letters and digits")
	case o.Invoice == reserved:
		fault("/invoice", "is reserved")
	case o.Invoice[0] == 'C':
		fault("/invoice", "is a cancellation: want an order")
	}
	if o.Customer == "" {
		fault("/customer", "is missing")
	}
	if len(o.Lines) == 0 {
		fault("/lines", "want at least one line")
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		at := func(field string) string { return fmt.Sprintf("/lines/%d/%s", i, field) }
		if l.SKU == "" {
			fault(at("sku"), "is missing")
		}
		if l.Description == "" {
			fault(at("description"), "is missing")
		}
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			fault(at("quantity"), fmt.Sprintf("want an integer of 1 to %d", maxQuantity))
		}
		if price, err := ParsePrice(l.UnitPrice); err != nil || price.isZero() {
			fault(at("unit_price"), "want pounds above 0, as a string of 1 to 9 digits with at most two decimals")
		}
	}
	return ff
}

// Value is what the order is worth. Lines that are not valid count as nothing; Validate refuses them.
func (o *Order) Value() Money {
	var sum Money
	for i := range o.Lines {
		l := &o.Lines[i]
		if price, err := ParsePrice(l.UnitPrice); err == nil && l.Quantity > 0 {
			sum = sum.plus(price.times(uint64(l.Quantity)))
		}
	}
	return sum
}

// NeedsPerson names the first line that is a manual posting and not goods, or gives "".
func (o *Order) NeedsPerson() string {
	for i := range o.Lines {
		switch sku := o.Lines[i].SKU; sku {
		case "M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK":
			return fmt.Sprintf("line %d: %s is a manual posting, not goods", i, sku)
		}
	}
	return ""
}

// encode gives the order in its one canonical form, and the digest by which two orders are compared.
func (o *Order) encode() ([]byte, [sha256.Size]byte, error) {
	data, err := json.Marshal(o)
	return data, sha256.Sum256(data), err
}
