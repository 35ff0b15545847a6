package encoding

import (
	"io"
	"strconv"
)

// MaxSize bounds what a codec of ours reads from one reader. It is a last resort against endless data: whoever takes data from outside puts a lower bound
// into the reader.
const MaxSize = 64 << 20

// presize bounds the buffer that is made because a reader says how long it is: a sender can promise anything.
const presize = 64 << 10

// ReadAll reads data to its end and returns it in a slice of the caller's. A nil reader is empty. A reader with a method Len() int, the number of bytes that
// are left as far as is known, gets a buffer of that size at once.
//
// An error of the reader is returned as it is. Data longer than [MaxSize] gives a [*DataError] that wraps [ErrTooLarge].
func ReadAll(data io.Reader) ([]byte, error) { return readAll(data, MaxSize) }

func readAll(data io.Reader, limit int) ([]byte, error) {
	if data == nil {
		return nil, nil
	}
	size := 512
	if l, ok := data.(interface{ Len() int }); ok {
		if n := l.Len(); n >= 0 {
			size = min(n, presize) + 1 // one more, so that the end is found without growing
		}
	}
	b := make([]byte, 0, size)
	for {
		n, err := data.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > limit {
			return nil, &DataError{Detail: "longer than " + strconv.Itoa(limit) + " bytes", Err: ErrTooLarge}
		}
		if err == io.EOF { // an error that wraps EOF is not the end: what was read is only a part
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
