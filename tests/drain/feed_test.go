package drain

import (
	"strings"
	"testing"
)

func TestFeedIsTheDecemberOfTheShop(t *testing.T) {
	t.Parallel()

	items := shipped(t)

	refused, persons, retried := 0, 0, 0
	for i := range items {
		o, err := items[i].order(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case o.refused:
			refused++
		case o.person:
			persons++
		default:
			retried += o.attempts() - 1
		}
	}
	if len(items) != 2025 || refused != 628 || persons != 23 {
		t.Errorf("got %d invoices, %d with faults, %d for a person, want 2025, 628, 23", len(items), refused, persons)
	}
	if retried == 0 {
		t.Error("no order is retried")
	}
}

func TestLaterPassesAndCrowdsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	it, err := parseItem([]byte(`{"invoice":"536365","customer":"17850","country":"UK","lines":[{"sku":"A","description":"a","quantity":1,"unit_price":"1"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	it.number = 35

	o, err := it.order(2, 16)
	if err != nil {
		t.Fatal(err)
	}

	if o.invoice != "536365p2" || o.customer != "crowd3p2" {
		t.Errorf("got invoice %q of %q, want 536365p2 of crowd3p2", o.invoice, o.customer)
	}
	for _, want := range []string{`"invoice":"536365p2"`, `"customer":"crowd3p2"`, `"country":"UK"`, `"quantity":1`} {
		if !strings.Contains(string(o.body), want) {
			t.Errorf("body %s: want %s in it", o.body, want)
		}
	}
}

func TestCustomerHasOneConnection(t *testing.T) {
	t.Parallel()
	items := shipped(t)

	for _, crowd := range []int{0, 16, 64} {
		connection := make(map[string]int)
		for i := range items {
			o, err := items[i].order(0, crowd)
			if err != nil {
				t.Fatal(err)
			}
			got := items[i].connection(crowd)
			if want, known := connection[o.customer]; known && got != want && o.customer != "" {
				t.Fatalf("crowd %d: customer %q has connections %d and %d", crowd, o.customer, got, want)
			}
			connection[o.customer] = got
		}
	}
}

func TestPlanFollowsFromItsSeed(t *testing.T) {
	t.Parallel()

	signals, rates := make(map[string]int), make(map[bool]int)
	for seed := range uint64(40) {
		p := newPlan(seed)
		if p != newPlan(seed) {
			t.Fatalf("seed %d has two plans", seed)
		}
		if p.stopAfter < 0 || p.stopAfter > maxStopAfter {
			t.Errorf("%v: want a stop after 0 to %v", p, maxStopAfter)
		}
		signals[p.signal.String()]++
		rates[p.rate > 0]++
	}

	if signals["terminated"] != 20 || signals["interrupt"] != 20 || rates[true] != 20 {
		t.Errorf("got signals %v, paced %v, want halves", signals, rates)
	}
}
