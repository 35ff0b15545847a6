package main

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// Money is an amount in pence, exact and never negative. Money is never a float, and one order of a million bytes can be worth more than an int64 of pence: so
// it has 128 bits. The zero value is nothing.
type Money struct{ hi, lo uint64 }

var pricePattern = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,2})?$`)

// pence returns an amount.
func pence(n uint64) Money { return Money{lo: n} }

// ParsePrice reads a decimal string of pounds, such as "2.55".
func ParsePrice(s string) (Money, error) {
	if !pricePattern.MatchString(s) {
		return Money{}, fmt.Errorf("price %.40q: want pounds as 1 to 9 digits with at most two decimals", s)
	}
	pounds, decimals, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(pounds+(decimals + "00")[:2], 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("price %.40q: %w", s, err)
	}
	return pence(n), nil
}

// String writes the amount in pounds with exactly two decimals.
func (m Money) String() string {
	n := new(big.Int).SetUint64(m.hi)
	n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(m.lo))
	text := fmt.Sprintf("%03d", n)
	return text[:len(text)-2] + "." + text[len(text)-2:]
}

// parseMoney reads what String writes.
func parseMoney(s string) (Money, error) {
	n, ok := new(big.Int).SetString(strings.Replace(s, ".", "", 1), 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 || len(s) < 4 || s[len(s)-3] != '.' {
		return Money{}, fmt.Errorf("money %.60q: want pounds with exactly two decimals", s)
	}
	return Money{hi: new(big.Int).Rsh(n, 64).Uint64(), lo: new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64)).Uint64()}, nil
}

func (m Money) isZero() bool { return m == Money{} }

// plus adds.
func (m Money) plus(other Money) Money {
	lo, carry := bits.Add64(m.lo, other.lo, 0)
	hi, _ := bits.Add64(m.hi, other.hi, carry)
	return Money{hi, lo}
}

// times gives the price of n pieces.
func (m Money) times(n uint64) Money {
	hi, lo := bits.Mul64(m.lo, n)
	return Money{hi + m.hi*n, lo}
}
