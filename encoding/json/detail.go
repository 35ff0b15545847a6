package json

import (
	"math"
	"reflect"
	"strconv"
	"strings"
)

// leftOut is for a type that nothing but null can be decoded into.
const leftOut = "must be left out"

// want says what JSON a type is decoded from.
func want(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "must be a boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return "must be an integer"
	case reflect.Float32, reflect.Float64:
		return "must be a number"
	case reflect.String:
		return "must be a string"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "must be a string in base64"
		}
		return "must be an array"
	case reflect.Array:
		return "must be an array"
	case reflect.Struct:
		return "must be an object"
	case reflect.Map:
		if isKey(t.Key()) {
			return "must be an object"
		}
		return leftOut
	default:
		return leftOut
	}
}

// kindOf names the JSON type of the value that begins with c.
func kindOf(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// misfitNumber says why a number literal does not fit the numeric type t.
func misfitNumber(literal string, t reflect.Type) string {
	bits := t.Bits()
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return "must be within the range of a float of " + strconv.Itoa(bits) + " bits"
	}
	if strings.ContainsAny(literal, ".eE") {
		return "must be an integer, written without fraction and exponent"
	}
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uintptr {
		return "must be an integer from 0 to " + strconv.FormatUint(math.MaxUint64>>(64-bits), 10)
	}
	highest := int64(math.MaxInt64) >> (64 - bits)
	return "must be an integer from " + strconv.FormatInt(-highest-1, 10) + " to " + strconv.FormatInt(highest, 10)
}
