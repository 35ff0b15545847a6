package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
)

// december is the shop's December 2010; data/README.md says where it comes from.
//
//go:embed data/orders-2010-12.ndjson.gz
var december []byte

// maxLine bounds one line of an orders file.
const maxLine = 16 << 20

// feedOrder is one order of a file, ready to be posted.
type feedOrder struct {
	body     []byte
	fields   map[string]json.RawMessage // nil until a later pass needs them
	invoice  string
	customer string
}

// readFeed reads orders, one JSON object a line, plain or gzip; "" are the embedded ones. Only what is no JSON object is an error, with its line number: what
// else is wrong with an order the service must find.
func readFeed(path string) ([]feedOrder, error) {
	raw, name := december, "embedded orders"
	if path != "" {
		name = path
		var err error
		if raw, err = os.ReadFile(path); err != nil { //nolint:gosec // the user names the file
			return nil, fmt.Errorf("-orders: %w", err)
		}
	}
	return parseFeed(name, raw)
}

// parseFeed reads the content of an orders file.
func parseFeed(name string, raw []byte) ([]feedOrder, error) {
	var reader io.Reader = bytes.NewReader(raw)
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(reader)
		if err != nil {
			return nil, fmt.Errorf("%s: line 1: %w", name, err)
		}
		reader = unzipped
	}
	lines := bufio.NewScanner(reader)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	var feed []feedOrder
	number := 0
	for lines.Scan() {
		number++
		line := bytes.Trim(lines.Bytes(), " \t\r") // the white space of JSON, and no other
		if len(line) == 0 {
			continue
		}
		o, err := parseFeedOrder(line)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, number, err)
		}
		feed = append(feed, o)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: line %d: %w", name, number+1, err)
	}
	if len(feed) == 0 {
		return nil, fmt.Errorf("%s: no orders", name)
	}
	return feed, nil
}

func parseFeedOrder(line []byte) (feedOrder, error) {
	o := feedOrder{body: bytes.Clone(line)}
	if err := json.Unmarshal(line, &o.fields); err != nil {
		return o, err
	}
	if o.fields == nil {
		return o, errors.New("null: want a JSON object")
	}
	// An invoice or customer of a wrong type is the service's to refuse: here it only has no name.
	o.invoice, o.customer = text(o.fields["invoice"]), text(o.fields["customer"])
	return o, nil
}

// text gives a string of JSON, or "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// pass gives the order as it is in pass n: the first, 0, is the file itself; later ones have invoices and customers of their own. An empty customer stays
// empty.
func (o *feedOrder) pass(n int) (feedOrder, error) {
	if n == 0 {
		return *o, nil
	}
	suffix := "r" + strconv.Itoa(n)
	again := feedOrder{invoice: o.invoice, customer: o.customer}
	fields := maps.Clone(o.fields)
	for key, value := range map[string]*string{"invoice": &again.invoice, "customer": &again.customer} {
		if *value == "" {
			continue
		}
		*value += suffix
		raw, err := json.Marshal(*value)
		if err != nil {
			return again, err
		}
		fields[key] = raw
	}
	var err error
	again.body, err = json.Marshal(fields)
	return again, err
}
