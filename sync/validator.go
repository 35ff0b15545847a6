package sync

import "reflect"

// Validator checks values of the type T against the rules of T. It is made by [NewValidator] and may be used concurrently. [Handle] has one of its own.
//
// # Methods
//
// A type with a method
//
//	Validate() []Fault
//
// on the value or the pointer checks itself, wherever its values stand within T. The pointers of its faults are relative to the value: "/quantity" of the line
// at hand; the empty pointer is the value itself. A method that an embedded struct brings along counts, so it must be fit for a nil receiver if the struct
// is embedded by a pointer.
//
// # Tags
//
// The tag validate holds rules, separated by commas. Of each value the first rule that it breaks is reported.
//
//	required       present: not nil, and not empty for a string. On a number, a boolean or a struct it could not tell zero from absent: use a pointer. A
//	               struct with a method IsZero() bool, as time.Time, is fine.
//	optional       the zero value passes, whatever the other rules say: for strings and numbers that may be left out
//	min=N max=N    bounds of a number, both inclusive
//	minlen=N       least length of a string in characters, of a slice, an array or a map in elements
//	maxlen=N       greatest length
//	enum=a|b|c     one of these, for strings and integers
//	pattern=RE     a regular expression of package regexp that must match somewhere in a string: anchor it with ^ and $. It is the last rule, because it may
//	               contain commas.
//	each           the rules that follow are for the elements of a slice, an array or a map
//
// A nil pointer breaks no rule but required; the others are for what it points at. Fields are named in pointers as encoding/json names them. A tag on a
// field that JSON does not reach, an unknown rule, one that is given twice, a bad value and a rule that does not fit the type of its field are errors of
// NewValidator.
type Validator[T any] struct{ plan *place }

// NewValidator compiles the rules of T. Its error names every bad tag.
func NewValidator[T any]() (*Validator[T], error) {
	plan, err := compile(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return &Validator[T]{plan: plan}, nil
}

// Validate returns what is wrong with the value, in the order of the pointers, at most encoding.MaxFaults; nil if nothing is. A nil value is not looked at.
func (v *Validator[T]) Validate(value *T) []Fault {
	if value == nil {
		return nil
	}
	return v.plan.validate(reflect.ValueOf(value).Elem(), nil)
}
