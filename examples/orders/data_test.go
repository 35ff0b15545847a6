package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestShopGoesOnWhereItsDataSaysThatItWas(t *testing.T) {
	t.Parallel()
	s := settings{broker: "sqlite:", data: t.TempDir(), effects: filepath.Join(t.TempDir(), "effects.ndjson")}
	first := openShop(t, s)
	for _, invoice := range []string{"900001", "900002", "900003"} {
		if r := first.do(http.MethodPost, "/orders", orderOf(invoice, "17850")); r.status != http.StatusAccepted {
			t.Fatalf("order %s: got %d %s, want 202", invoice, r.status, r.body)
		}
	}
	first.finished(3)
	summary, list := first.do(http.MethodGet, "/summary", "").body, first.do(http.MethodGet, "/orders?customer=17850", "").body
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	first.held, first.stock = nil, nil

	second := openShop(t, s)

	if got := second.do(http.MethodGet, "/summary", "").body; got != summary {
		t.Errorf("got %s, want %s", got, summary)
	}
	if got := second.do(http.MethodGet, "/orders?customer=17850", "").body; got != list {
		t.Errorf("got %s, want %s", got, list)
	}
	if r := second.do(http.MethodPost, "/orders", orderOf("900001", "17850")); r.status != http.StatusOK {
		t.Errorf("an order of the first life: got %d, want 200", r.status)
	}
}

func TestSecondShopOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	s := settings{broker: "sqlite:", data: t.TempDir()}
	openShop(t, s)

	_, err := newShop(t.Context(), s, nil)

	if err == nil || !strings.Contains(err.Error(), "another shop is open there") {
		t.Errorf("got %v, want that another shop is open there", err)
	}
}

func TestDataThatIsNoDirectoryIsSaid(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := newShop(t.Context(), settings{broker: "sqlite:", data: file}, nil)

	if err == nil || !strings.Contains(err.Error(), "-data") {
		t.Errorf("got %v, want an error of -data", err)
	}
}

// orderOf is an order without a fault.
func orderOf(invoice, customer string) string {
	return `{"invoice":"` + invoice + `","customer":"` + customer + `","country":"United Kingdom","time":"2010-12-01T08:26:00Z",` +
		`"lines":[{"sku":"85123A","description":"WHITE HANGING HEART","quantity":6,"unit_price":"2.55"}]}`
}
