package sync

import (
	"reflect"
	"strconv"
	"testing"
)

// CompileTag compiles a struct whose fields all have the given tag, and validates zero and filled values with what is fine of it.
func CompileTag(tb testing.TB, tag string) {
	tb.Helper()
	for _, v := range []any{"", "text", 0, 7, uint8(0), 1.5, true, []string{"a"}, []string(nil), map[string][]int{"a": {1}}, [2]int{}, (*int)(nil), new(string)} {
		t := reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeOf(v), Tag: reflect.StructTag(`validate:` + strconv.Quote(tag))},
		})
		plan, err := compile(t)
		if err != nil {
			continue
		}
		value := reflect.New(t).Elem()
		plan.validate(value, nil)
		value.Field(0).Set(reflect.ValueOf(v))
		for _, f := range plan.validate(value, nil) {
			if f.Detail == "" || len(f.Pointer) > 0 && f.Pointer[0] != '/' {
				tb.Errorf("tag %q on %T: got fault %+v", tag, v, f)
			}
		}
	}
}

// Faults validates v, as a field with the given tag. The error is about the tag.
func Faults(tag string, v any) ([]Fault, error) {
	t := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeOf(v), Tag: reflect.StructTag(`validate:` + strconv.Quote(tag))}})
	plan, err := compile(t)
	if err != nil {
		return nil, err
	}
	value := reflect.New(t).Elem()
	value.Field(0).Set(reflect.ValueOf(v))
	return plan.validate(value, nil), nil
}
