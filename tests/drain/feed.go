package drain

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// item is an invoice of the file.
type item struct {
	line     []byte
	fields   map[string]json.RawMessage
	invoice  string
	customer string
	number   int  // of the customer, in the order of their first invoices; of an empty one, that of the line
	refused  bool // it has a fault
	person   bool // it has a line that is no goods
	pence    int  // what it is worth, unless it is refused
}

// order is what is posted.
type order struct {
	invoice  string
	customer string
	body     []byte
	refused  bool // it must not be accepted
	person   bool // it must be dead at once
	pence    int  // what it is worth, if it is processed
}

// attempts returns how many the order takes: stock fails those whose digest says so, but never the third.
func (o *order) attempts() int {
	if o.person {
		return 1
	}
	attempt := 1
	for attempt < 3 && stockFails(o.invoice, attempt) {
		attempt++
	}
	return attempt
}

// readFeed reads invoices, one JSON object a line, compressed.
func readFeed(path string) ([]item, error) {
	file, err := os.Open(path) //nolint:gosec // the test names the file
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	var items []item
	customers := make(map[string]int)
	for lines.Scan() {
		it, err := parseItem(bytes.Clone(lines.Bytes()))
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(items)+1, err)
		}
		it.number = len(items)
		if it.customer != "" {
			if _, known := customers[it.customer]; !known {
				customers[it.customer] = len(customers)
			}
			it.number = customers[it.customer]
		}
		items = append(items, it)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return items, nil
}

func parseItem(line []byte) (item, error) {
	var invoice struct {
		Invoice  string `json:"invoice"`
		Customer string `json:"customer"`
		Lines    []struct {
			SKU         string `json:"sku"`
			Description string `json:"description"`
			Quantity    int    `json:"quantity"`
			UnitPrice   string `json:"unit_price"`
		} `json:"lines"`
	}
	it := item{line: line}
	if err := json.Unmarshal(line, &invoice); err != nil {
		return it, err
	}
	if err := json.Unmarshal(line, &it.fields); err != nil {
		return it, err
	}
	it.invoice, it.customer = invoice.Invoice, invoice.Customer
	it.refused = invoice.Customer == "" || strings.HasPrefix(invoice.Invoice, "C") || len(invoice.Lines) == 0
	for _, l := range invoice.Lines {
		free := strings.HasPrefix(l.UnitPrice, "-") || strings.Trim(l.UnitPrice, "0.") == ""
		it.refused = it.refused || l.Quantity < 1 || free || l.Description == ""
		it.pence += l.Quantity * pence(l.UnitPrice)
		it.person = it.person || slices.Contains([]string{"M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK"}, l.SKU)
	}
	return it, nil
}

// pence reads a price with at most two decimals; what is none belongs to an invoice that is refused.
func pence(price string) int {
	pounds, decimals, _ := strings.Cut(price, ".")
	n, _ := strconv.Atoi(pounds + (decimals + "00")[:2]) // see above
	return n
}

// order returns the invoice as it is posted in a pass over the file; the first is 0. Each pass has invoices and customers of its own.
func (it *item) order(pass, crowd int) (*order, error) {
	o := &order{invoice: it.invoice, customer: it.customer, body: it.line, refused: it.refused, person: it.person, pence: it.pence}
	if crowd > 0 && o.customer != "" {
		o.customer = "crowd" + strconv.Itoa(it.number%crowd)
	}
	if pass > 0 {
		suffix := "p" + strconv.Itoa(pass)
		o.invoice += suffix
		if o.customer != "" {
			o.customer += suffix
		}
	}
	if o.invoice == it.invoice && o.customer == it.customer {
		return o, nil
	}
	fields := maps.Clone(it.fields)
	fields["invoice"], fields["customer"] = quote(o.invoice), quote(o.customer)
	var err error
	o.body, err = json.Marshal(fields)
	return o, err
}

// quote encodes letters and digits.
func quote(s string) json.RawMessage { return json.RawMessage(`"` + s + `"`) }
