package protobuf_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/protobuf"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := wrapperspb.String(rapid.String().Draw(t, "text"))

		data, err := protobuf.Encode(want)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		got, again := wrapperspb.String("to be reset"), new(wrapperspb.StringValue)
		if err := protobuf.DecodeRaw(data, got); err != nil {
			t.Fatalf("DecodeRaw: %v", err)
		}
		if err := protobuf.Decode(iotest.OneByteReader(strings.NewReader(string(data))), again); err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if !proto.Equal(got, want) || !proto.Equal(again, want) {
			t.Fatalf("got %v and %v, want %v", got, again, want)
		}
	})
}

func TestAPointerToAMessageIsFilled(t *testing.T) {
	t.Parallel()
	data, err := protobuf.Encode(wrapperspb.String("x"))
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	kept := wrapperspb.String("to be reset")
	for name, m := range map[string]*wrapperspb.StringValue{"nil": nil, "not nil": kept} {
		if err := protobuf.DecodeRaw(data, &m); err != nil || m.GetValue() != "x" {
			t.Errorf("a pointer that is %s: got %v and %v, want x", name, m, err)
		}
	}
	if kept.GetValue() != "x" {
		t.Errorf("got %v, want the message that was there to be used", kept)
	}
}

func TestNoDataIsTheEmptyMessage(t *testing.T) {
	t.Parallel()
	got := wrapperspb.String("to be reset")
	if err := protobuf.Decode(nil, got); err != nil || got.GetValue() != "" {
		t.Errorf("Decode: got %v and %v, want the empty message", got, err)
	}
}

func TestValuesThatAreNoMessagesAreRefusedWithoutAPanic(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"nil":              nil,
		"a string":         "text",
		"a pointer":        new(int),
		"a struct":         struct{}{},
		"a nil message":    (*wrapperspb.StringValue)(nil),
		"a nil interface":  proto.Message(nil),
		"a nil pointer":    (**wrapperspb.StringValue)(nil),
		"an interface":     new(proto.Message),
		"a deeper pointer": new(**wrapperspb.StringValue),
	} {
		if err := protobuf.DecodeRaw([]byte{1}, v); !errors.Is(err, encoding.ErrValue) {
			t.Errorf("DecodeRaw into %s: got %v, want an error that is ErrValue", name, err)
		}
		if _, err := protobuf.Encode(v); !errors.Is(err, encoding.ErrValue) {
			t.Errorf("Encode of %s: got %v, want an error that is ErrValue", name, err)
		}
	}
}

func TestDataThatIsNoMessageIsTheSendersFault(t *testing.T) {
	t.Parallel()
	for want, data := range map[string]string{
		"malformed protobuf message":                "\x0a\x05ab",
		"protobuf message without a required field": "\x12\x02\x0a\x00", // the part of a name lacks is_extension
	} {
		err := protobuf.DecodeRaw([]byte(data), new(descriptorpb.UninterpretedOption))

		if e, ok := errors.AsType[*encoding.DataError](err); !ok || e.Detail != want || e.Err == nil {
			t.Errorf("DecodeRaw(%q): got %#v, want a DataError %q with its cause", data, err, want)
		}
	}
	if _, err := protobuf.Encode(&descriptorpb.UninterpretedOption_NamePart{}); !errors.Is(err, encoding.ErrValue) {
		t.Errorf("Encode without required fields: got %v, want an error that is ErrValue", err)
	}
}

func TestDecodeReturnsTheErrorOfTheReader(t *testing.T) {
	t.Parallel()
	if err := protobuf.Decode(iotest.ErrReader(io.ErrUnexpectedEOF), new(structpb.Struct)); err != io.ErrUnexpectedEOF { //nolint:errorlint // as it is
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestTheCodecAnswersToItsNames(t *testing.T) {
	t.Parallel()
	codecs, err := encoding.NewCodecs(protobuf.Codec())
	if err != nil {
		t.Fatalf("NewCodecs: %v", err)
	}
	for _, name := range []string{protobuf.Type, protobuf.TypeCharset, protobuf.TypeGoogle, protobuf.TypeStandard} {
		c, err := codecs.ForAccept(name)
		if err != nil || c.ContentType() != name {
			t.Errorf("ForAccept(%q): got %q and %v", name, c.ContentType(), err)
		}
		if _, err := codecs.ForContentType(name); err != nil {
			t.Errorf("ForContentType(%q): %v", name, err)
		}
	}
}

// FuzzDecode compares with the library below, and decodes again what it encodes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x0a\x05ab"))
	f.Add([]byte("\x0a\x0a\x0a\x01a\x12\x05\x1a\x03abc"))
	f.Add([]byte("\x0a\x0a\x0a\x01\xff\x12\x05\x1a\x03abc"))
	f.Add([]byte("\x12\x08\x0a\x04name\x10\x01\x12\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fresh := range []func() proto.Message{
			func() proto.Message { return new(structpb.Struct) },
			func() proto.Message { return new(descriptorpb.UninterpretedOption) }, // has required fields
		} {
			m, theirs := fresh(), fresh()
			err := protobuf.DecodeRaw(data, m)
			if want := proto.Unmarshal(data, theirs); (err == nil) != (want == nil) {
				t.Fatalf("DecodeRaw(%q, %T): got %v, the library says %v", data, m, err, want)
			}
			if err != nil {
				e, ok := errors.AsType[*encoding.DataError](err)
				if !ok || len(e.Faults) > 0 || e.Detail == "" {
					t.Errorf("DecodeRaw(%q): got %v, want a DataError", data, err)
				}
				continue
			}
			if !proto.Equal(m, theirs) {
				t.Errorf("DecodeRaw(%q): got %v, want %v", data, m, theirs)
			}
			wire, err := protobuf.Encode(m)
			if err != nil {
				t.Fatalf("Encode of what was decoded from %q: %v", data, err)
			}
			again := fresh()
			if err := protobuf.DecodeRaw(wire, again); err != nil {
				t.Fatalf("DecodeRaw of what was encoded from %q: %v", data, err)
			}
			second, err := protobuf.Encode(again)
			if err != nil || proto.Size(again) != len(wire) || len(second) != len(wire) {
				t.Errorf("%q became %q and %q: %v", data, wire, second, err)
			}
		}
	})
}
