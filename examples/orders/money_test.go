package main

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParsePriceReadsPoundsExactly(t *testing.T) {
	t.Parallel()
	tests := map[string]uint64{
		"0":            0,
		"0.00":         0,
		"7":            700,
		"2.5":          250,
		"2.55":         255,
		"0.07":         7,
		"007.10":       710,
		"999999999.99": 99_999_999_999,
	}
	for text, want := range tests {
		if got, err := ParsePrice(text); got != pence(want) || err != nil {
			t.Errorf("ParsePrice(%q) = %v, %v, want %v", text, got, err, pence(want))
		}
	}
}

func TestParsePriceRefusesEverythingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", ".", ".5", "5.", "1.234", "-1", "+1", "1,5", "1e2", "0x10", "1_000", "1.5 ", " 1.5", "1.5\n", "1.5\x00",
		"NaN", "Inf", "1.2.3", "1234567890", "٣", "１",
	} {
		if got, err := ParsePrice(text); err == nil {
			t.Errorf("ParsePrice(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzParsePrice(f *testing.F) {
	for _, seed := range []string{"0", "2.55", "999999999.99", "1.", "-1", "1.234", "1.5\n", ""} {
		f.Add(seed)
	}
	valid := regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,2})?$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParsePrice(text)

		if (err == nil) != valid.MatchString(text) {
			t.Fatalf("ParsePrice(%q) = %v, %v: want an error exactly if it is no price", text, got, err)
		}
		if err != nil {
			return
		}
		pounds, _ := new(big.Rat).SetString(text)
		if exact, _ := new(big.Rat).SetString(got.String()); exact.Cmp(pounds) != 0 {
			t.Errorf("ParsePrice(%q) = %v", text, got)
		}
		if again, err := ParsePrice(got.String()); again != got || err != nil {
			t.Errorf("%q became %v, then %v, %v", text, got, again, err)
		}
	})
}

func TestMoneyHasExactlyTwoDecimals(t *testing.T) {
	t.Parallel()
	tests := map[Money]string{
		{}:                     "0.00",
		pence(5):               "0.05",
		pence(10):              "0.10",
		pence(123):             "1.23",
		pence(56635325):        "566353.25",
		pence(math.MaxUint64):  "184467440737095516.15",
		{hi: 1}:                "184467440737095516.16",
		{hi: 1 << 32, lo: 100}: "792281625142643375935439504.36",
	}
	for m, want := range tests {
		if got := m.String(); got != want {
			t.Errorf("%d, %d: got %s, want %s", m.hi, m.lo, got, want)
		}
	}
}

func TestMoneyIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sum, want := Money{}, new(big.Int)
		for range rapid.IntRange(0, 20).Draw(t, "lines") {
			price, n := rapid.Uint64Max(99_999_999_999).Draw(t, "price"), rapid.Uint64().Draw(t, "quantity")

			sum = sum.plus(pence(price).times(n))

			product := new(big.Int).SetUint64(price)
			want.Add(want, product.Mul(product, new(big.Int).SetUint64(n)))
		}

		if got := strings.Replace(sum.String(), ".", "", 1); got != fmt.Sprintf("%03d", want) {
			t.Fatalf("got %v, want %d pence", sum, want)
		}
	})
}
