package patron

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// off is the management address that means none.
const off = "off"

// section is a part of the table of variables, with a heading.
type section struct {
	title, text string
	variables   []variable
}

// variable is one environment variable. The table of them drives parsing, defaults and docs/configuration.md.
type variable struct {
	name   string
	value  string // the default, which parse reads like a value; "": instead says what holds
	unset  string // what holds where there is no default value
	want   string // what is allowed
	about  string
	option string // what wins over it
	parse  func(e *environment, value string) error
}

// read takes the default and then, if there is one, the value.
func (v variable) read(e *environment, value string) error {
	if v.value != "" {
		if err := v.parse(e, v.value); err != nil {
			return fmt.Errorf("the default of %s, %q: %w", v.name, v.value, err)
		}
	}
	if value == "" {
		return nil
	}
	e.values[v.name] = value
	switch err := v.parse(e, value); {
	case err == nil:
		return nil
	case errors.Is(err, errNotWanted):
		return fmt.Errorf("%s=%q: want %s", v.name, value, v.want)
	default:
		return fmt.Errorf("%s=%q: %w; want %s", v.name, value, err, v.want)
	}
}

// errNotWanted stands for a value that is not what the variable wants, where there is no more to say.
var errNotWanted = errors.New("not what the variable wants")

// parsed is for parsers whose errors say no more than the column "want".
func parsed[T any](parse func(string) (T, error), field func(*environment) *T) func(*environment, string) error {
	return func(e *environment, value string) error {
		x, err := parse(value)
		if err != nil {
			return errNotWanted
		}
		*field(e) = x
		return nil
	}
}

func text(field func(*environment) *string) func(*environment, string) error {
	return func(e *environment, value string) error {
		*field(e) = value
		return nil
	}
}

func number(least, most int, field func(*environment) *int) func(*environment, string) error {
	return func(e *environment, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return errNotWanted
		}
		*field(e) = n
		return nil
	}
}

func duration(least time.Duration, field func(*environment) *time.Duration) func(*environment, string) error {
	return func(e *environment, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < least {
			return errNotWanted
		}
		*field(e) = d
		return nil
	}
}

func parseManagementAddr(e *environment, value string) error {
	if !strings.EqualFold(value, off) {
		if err := checkAddress(value); err != nil {
			return errNotWanted
		}
	}
	e.managementAddr = strings.ToLower(value)
	return nil
}

// parseHost accepts an IP address, and what may be the name of a host: that the name server knows it is seen later.
func parseHost(host string) (string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return host, nil
	}
	if strings.ContainsFunc(host, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.' && r != '-' && r != '_'
	}) {
		return "", errNotWanted
	}
	return host, nil
}

// checkAddress says what is wrong with a host:port.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q: want host:port", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q: want a port from 0 to 65535", address)
	}
	return nil
}

// nearest returns the known variable whose name takes the fewest letters more and less to become name.
func nearest(name string) string {
	best, least := "", 0
	for _, s := range sections() {
		for _, v := range s.variables {
			if d := distance(name, v.name); strings.HasPrefix(v.name, prefix) && (best == "" || d < least) {
				best, least = v.name, d
			}
		}
	}
	return best
}

// distance counts the letters to insert and to delete that make b of a. Another letter counts as two changes, because what is most often wrong with a name
// is that a word is missing.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := 1 + min(row[j], row[j+1])
			if a[i] == b[j] {
				d = diagonal
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
