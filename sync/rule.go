package sync

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rules are the rules of one tag, up to "each". What comes after that is for the elements.
type rules struct {
	required, optional bool
	checks             []check
	each               *rules
}

// parseRules parses a tag for values of type t.
func parseRules(tag string, t reflect.Type) (*rules, error) {
	p := &ruleParser{typ: deref(t), pointer: t.Kind() == reflect.Pointer, rules: new(rules), seen: make(map[string]bool)}
	var errs []error
	for rest := tag; rest != ""; {
		var rule string
		if strings.HasPrefix(rest, "pattern=") {
			rule, rest = rest, ""
		} else {
			var more bool
			if rule, rest, more = strings.Cut(rest, ","); more && rest == "" {
				errs = append(errs, errors.New("it ends with a comma: want a rule behind it"))
			}
		}
		name, value, hasValue := strings.Cut(rule, "=")
		if name == "each" && !hasValue {
			elem, err := elemOf(p.typ)
			if err == nil {
				p.rules.each, err = parseRules(rest, elem)
			}
			errs = append(errs, err)
			break
		}
		errs = append(errs, p.add(name, value, hasValue))
	}
	if p.rules.required && p.rules.optional {
		errs = append(errs, errors.New("required and optional exclude each other"))
	}
	return p.rules, errors.Join(append(errs, p.bounds())...)
}

// ruleParser collects the rules for one type.
type ruleParser struct {
	typ     reflect.Type // behind its pointers
	pointer bool
	rules   *rules
	seen    map[string]bool
	lengths [2]*int // minlen, maxlen
}

func (p *ruleParser) add(name, value string, hasValue bool) error {
	if p.seen[name] {
		return fmt.Errorf("%s is given twice", name)
	}
	p.seen[name] = true
	switch name {
	case "required", "optional":
		if hasValue {
			return fmt.Errorf("%s=%s: want no value", name, value)
		}
		return p.presence(name)
	case "min", "max", "minlen", "maxlen", "enum", "pattern":
		if value == "" {
			return fmt.Errorf("%s: want a value", name)
		}
	default:
		return fmt.Errorf("unknown rule %q: want required, optional, min, max, minlen, maxlen, enum, pattern or each", name)
	}
	c, err := p.check(name, value)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	p.rules.checks = append(p.rules.checks, c)
	return nil
}

func (p *ruleParser) presence(name string) error {
	kind := p.typ.Kind()
	switch {
	case name == "optional" && p.pointer:
		return errors.New("optional: a pointer may be nil unless it is required")
	case name == "optional" && kind != reflect.String && !isNumeric(kind):
		return fmt.Errorf("optional: want a string or a number, not %s", p.typ)
	case name == "optional":
		p.rules.optional = true
		return nil
	}
	p.rules.required = true
	switch kind {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Interface:
		return nil
	default:
		if p.pointer || reflect.PointerTo(p.typ).Implements(reflect.TypeFor[isZeroer]()) {
			return nil
		}
		return fmt.Errorf("required: the zero value of %s cannot be told from an absent one: want a pointer", p.typ)
	}
}

func (p *ruleParser) check(name, value string) (check, error) {
	kind := p.typ.Kind()
	switch name {
	case "min", "max":
		return parseBound(name, value, kind, p.typ)
	case "minlen", "maxlen":
		return p.length(name, value)
	case "enum":
		return parseEnum(value, kind, p.typ)
	default:
		if kind != reflect.String {
			return check{}, fmt.Errorf("want a string, not %s", p.typ)
		}
		re, err := regexp.Compile(value)
		return check{kind: matches, pattern: re, detail: "must match " + value}, err
	}
}

func parseBound(name, value string, kind reflect.Kind, t reflect.Type) (check, error) {
	c := check{detail: "must be at least " + value}
	if name == "max" {
		c.detail = "must be at most " + value
	}
	var err error
	switch {
	case isInt(kind):
		c.kind = pick(name == "min", minInt, maxInt)
		c.int, err = strconv.ParseInt(value, 10, t.Bits())
	case isUint(kind):
		c.kind = pick(name == "min", minUint, maxUint)
		c.uint, err = strconv.ParseUint(value, 10, t.Bits())
	case kind == reflect.Float32 || kind == reflect.Float64:
		c.kind = pick(name == "min", minFloat, maxFloat)
		c.float, err = strconv.ParseFloat(value, t.Bits())
		if math.IsNaN(c.float) || math.IsInf(c.float, 0) {
			err = strconv.ErrRange
		}
	default:
		return check{}, fmt.Errorf("want a number, not %s", t)
	}
	if err != nil {
		return check{}, fmt.Errorf("want a value of %s", t)
	}
	return c, nil
}

func (p *ruleParser) length(name, value string) (check, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return check{}, errors.New("want a length of at least 0")
	}
	least := name == "minlen"
	p.lengths[pick(least, 0, 1)] = &n
	detail := pick(least, "must have at least ", "must have at most ") + value
	switch p.typ.Kind() {
	case reflect.String:
		return check{kind: pick(least, minRunes, maxRunes), length: n, detail: detail + pick(n == 1, " character", " characters")}, nil
	case reflect.Slice, reflect.Array, reflect.Map:
		return check{kind: pick(least, minItems, maxItems), length: n, detail: detail + pick(n == 1, " element", " elements")}, nil
	default:
		return check{}, fmt.Errorf("want a string, a slice, an array or a map, not %s", p.typ)
	}
}

func parseEnum(value string, kind reflect.Kind, t reflect.Type) (check, error) {
	names := strings.Split(value, "|")
	c := check{detail: "must be one of " + strings.Join(names, ", ")}
	if kind == reflect.String {
		c.detail = `must be one of "` + strings.Join(names, `", "`) + `"`
	}
	for _, name := range names {
		var err error
		switch {
		case kind == reflect.String:
			c.kind = inStrings
			c.strings = append(c.strings, name)
		case isInt(kind):
			var n int64
			n, err = strconv.ParseInt(name, 10, t.Bits())
			c.kind = inInts
			c.ints = append(c.ints, n)
		case isUint(kind):
			var n uint64
			n, err = strconv.ParseUint(name, 10, t.Bits())
			c.kind = inUints
			c.uints = append(c.uints, n)
		default:
			return check{}, fmt.Errorf("want a string or an integer, not %s", t)
		}
		if err != nil {
			return check{}, fmt.Errorf("%q: want a value of %s", name, t)
		}
	}
	return c, nil
}

// bounds looks for bounds that no value can keep to.
func (p *ruleParser) bounds() error {
	var low, high check
	for _, c := range p.rules.checks {
		if slices.Contains([]checkKind{minInt, minUint, minFloat}, c.kind) {
			low = c
		}
		if slices.Contains([]checkKind{maxInt, maxUint, maxFloat}, c.kind) {
			high = c
		}
	}
	if low.kind != 0 && high.kind != 0 && (low.int > high.int || low.uint > high.uint || low.float > high.float) {
		return errors.New("min is above max")
	}
	if least, most := p.lengths[0], p.lengths[1]; least != nil && most != nil && *least > *most {
		return errors.New("minlen is above maxlen")
	}
	return nil
}

func elemOf(t reflect.Type) (reflect.Type, error) {
	if !slices.Contains([]reflect.Kind{reflect.Slice, reflect.Array, reflect.Map}, t.Kind()) {
		return nil, fmt.Errorf("each: want a slice, an array or a map, not %s", t)
	}
	return t.Elem(), nil
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isInt(k reflect.Kind) bool     { return reflect.Int <= k && k <= reflect.Int64 }
func isUint(k reflect.Kind) bool    { return reflect.Uint <= k && k <= reflect.Uintptr }
func isNumeric(k reflect.Kind) bool { return reflect.Int <= k && k <= reflect.Float64 }

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
