package json_test

import (
	stdjson "encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"time"

	"github.com/beatlabs/patron/encoding"
)

// scalars has every kind of value that encoding/json decodes by itself.
type scalars struct {
	B    bool           `json:"b"`
	I    int            `json:"i"`
	I8   int8           `json:"i8"`
	I64  int64          `json:"i64"`
	U    uint           `json:"u"`
	U8   uint8          `json:"u8"`
	U64  uint64         `json:"u64"`
	F32  float32        `json:"f32"`
	F64  float64        `json:"f64"`
	S    string         `json:"s"`
	Y    []byte         `json:"y"`
	N    stdjson.Number `json:"n"`
	A    any            `json:"a"`
	P    *int           `json:"p"`
	PP   **string       `json:"pp"`
	Skip int            `json:"-"`
	Dash int            `json:"-,"` //nolint:staticcheck // odd, and so must be tried
	C    chan int       `json:"c"`
	Func func()         `json:"func"`
	Face error          `json:"face"`
	low  int            //nolint:unused // encoding/json must not see it
}

// quoted has the option "string" on everything that takes it, and on some that do not.
type quoted struct {
	I int            `json:"i,string"`
	P *int           `json:"p,string"`
	F float64        `json:"f,omitempty,string"`
	B bool           `json:"b,string"`
	S string         `json:"s,string"`
	L []int          `json:"l,string"` //nolint:staticcheck // odd, and so must be tried
	T even           `json:"t,string"`
	N stdjson.Number `json:"n,string"`
}

// containers nests.
type containers struct {
	List   []scalars               `json:"list"`
	Grid   [][]int                 `json:"grid"`
	Array  [2]string               `json:"array"`
	Map    map[string]int          `json:"map"`
	ByInt  map[int8]string         `json:"byInt"`
	ByUint map[uint16][]bool       `json:"byUint"`
	ByAddr map[netip.Addr]int      `json:"byAddr"`
	ByEven map[even]int            `json:"byEven"`
	ByF    map[float64]int         `json:"byF"`
	Self   *containers             `json:"self"`
	Any    map[string]any          `json:"any"`
	Ptrs   []*quoted               `json:"ptrs"`
	Arrays map[string][1][]float32 `json:"arrays"`
	Bytes  [][]byte                `json:"bytes"`
}

// methods has types that decode themselves.
type methods struct {
	Time    time.Time           `json:"time"`
	PTime   *time.Time          `json:"ptime"`
	Addr    netip.Addr          `json:"addr"`
	Addrs   []netip.Addr        `json:"addrs"`
	Big     *big.Int            `json:"big"`
	Raw     stdjson.RawMessage  `json:"raw"`
	Even    even                `json:"even"`
	Evens   []*even             `json:"evens"`
	Pair    pair                `json:"pair"`
	PPair   *pair               `json:"ppair"`
	Pairs   map[string]pair     `json:"pairs"`
	NotNull notNull             `json:"notNull"`
	After   int                 `json:"after"`
	Anon    struct{ time.Time } `json:"anon"`
}

// embedding promotes, hides and annihilates.
type embedding struct {
	scalars
	*base
	Named base `json:"named"`
	Twice int
	TWICE int  `json:"twice"`
	Exact int  `json:"exact"`
	Fold  bool `json:"FOLD"`
	left
	right
	Tagged `json:"tagged"`
	Tagless
}

type (
	base struct{ X, Both int }
	left struct {
		L, Both, Gone int
		Pick          int
		common
	}
	right struct {
		R, Gone int
		Picked  int `json:"Pick"` // the tag makes it win over the other one
		common
	}
	common  struct{ Common int } // embedded twice at one depth, so hidden
	Tagged  struct{ T int }
	Tagless int
)

// even takes a string of even length by UnmarshalText.
type even string

func (e *even) UnmarshalText(text []byte) error {
	if len(text)%2 != 0 {
		return errors.New("odd: " + string(text))
	}
	*e = even(text)
	return nil
}

// pair takes an array of two integers by UnmarshalJSON and says what is wrong with another value.
type pair struct{ A, B int }

func (p *pair) UnmarshalJSON(data []byte) error {
	var list []int
	if err := stdjson.Unmarshal(data, &list); err != nil {
		return err
	}
	switch {
	case list == nil:
		return nil
	case len(list) != 2:
		return &encoding.DataError{Detail: "must be a pair"}
	case list[0] > list[1]:
		return &encoding.DataError{Faults: []encoding.Fault{{Pointer: "/0", Detail: "must be the lesser one"}, {Pointer: "/1", Detail: "must be the greater one"}}}
	}
	p.A, p.B = list[0], list[1]
	return nil
}

// notNull refuses null.
type notNull int

func (n *notNull) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return errors.New("null")
	}
	return stdjson.Unmarshal(data, (*int)(n))
}

// targets makes one value of each type of the tests.
func targets() map[string]func() any {
	return map[string]func() any{
		"scalars":    func() any { return new(scalars) },
		"quoted":     func() any { return new(quoted) },
		"containers": func() any { return new(containers) },
		"methods":    func() any { return new(methods) },
		"embedding":  func() any { return new(embedding) },
		"list":       func() any { return new([]methods) },
		"any":        func() any { return new(any) },
		"int":        func() any { return new(int8) },
		"pointer":    func() any { return new(*pair) },
		"pair":       func() any { return new(pair) },
		"text":       func() any { return new(even) },
		"anonymous":  func() any { return new(struct{ pair }) },
		"not null":   func() any { return new(notNull) },
		"map":        func() any { return new(map[even]map[int]bool) },
	}
}
