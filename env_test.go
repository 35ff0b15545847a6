package patron

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/zerolog"
	"github.com/beatlabs/patron/trace/provider"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var write = flag.Bool("write", false, "write docs/configuration.md instead of comparing it")

func TestDefaultsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	got, err := readEnvironment(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &environment{
		port: 50000, readTimeout: 5 * time.Second, writeTimeout: 10 * time.Second, logLevel: plog.InfoLevel, logFormat: zerolog.JSON,
		gracePeriod: 10 * time.Second, jaegerPort: 6831, samplerType: "probabilistic", otelPropagators: []string{"tracecontext", "baggage"},
		values: map[string]string{},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(environment{})); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestValuesOfTheEnvironment(t *testing.T) {
	t.Parallel()
	got, err := readEnvironment([]string{
		"PATH=/bin", "=C:=C:", "NOTHING", "PATRON_HTTP_DEFAULT_PORT=0", "PATRON_HTTP_READ_TIMEOUT=1m30s", "PATRON_HTTP_WRITE_TIMEOUT=1ns",
		"PATRON_HTTP_MANAGEMENT_ADDR=OFF", "PATRON_LOG_LEVEL=INFO", "PATRON_LOG_LEVEL=Error", "PATRON_LOG_FORMAT=TEXT", "PATRON_DRAIN_DELAY= 5s ",
		"PATRON_GRACE_PERIOD=0", "PATRON_JAEGER_AGENT_HOST=::1", "PATRON_JAEGER_AGENT_PORT=65535", "PATRON_JAEGER_SAMPLER_TYPE=const",
		"PATRON_JAEGER_SAMPLER_PARAM=1.0", "OTEL_SERVICE_NAME=shop", "OTEL_RESOURCE_ATTRIBUTES=a=b%20c", "OTEL_TRACES_SAMPLER=Always_On",
		"OTEL_TRACES_SAMPLER_ARG=1", "OTEL_PROPAGATORS=b3, jaeger", "PATRON_ZETA=1", "PATRON_ALPHA=1", "patron_log_level=debug",
	})
	if err != nil {
		t.Fatal(err)
	}
	values := got.values
	got.values = nil
	want := &environment{
		readTimeout: 90 * time.Second, writeTimeout: 1, managementAddr: "off", logLevel: plog.ErrorLevel, logFormat: zerolog.Text,
		drainDelay: 5 * time.Second, jaegerHost: "::1", jaegerPort: 65535, samplerType: "const", samplerParam: 1, otelService: "shop",
		otelResource: "a=b%20c", otelSampler: "Always_On", otelSamplerArg: "1", otelPropagators: []string{"b3", "jaeger"},
		unknown: []string{"PATRON_ALPHA", "PATRON_ZETA"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(environment{})); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if len(values) != 17 || values[varDrainDelay] != "5s" {
		t.Errorf("values: got %v", values)
	}
}

func TestAnEmptyValueCountsAsNotSet(t *testing.T) {
	t.Parallel()
	var pairs []string
	for _, s := range sections() {
		for _, v := range s.variables {
			pairs = append(pairs, v.name+"=", v.name+"=  ")
		}
	}
	got, err := readEnvironment(pairs)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := readEnvironment(nil)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(environment{})); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestABadValueIsAnErrorThatSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for pair, want := range map[string]string{
		"PATRON_HTTP_DEFAULT_PORT=foo":            `PATRON_HTTP_DEFAULT_PORT="foo": want a number from 0 to 65535, where 0 means a free port`,
		"PATRON_HTTP_DEFAULT_PORT=65536":          `PATRON_HTTP_DEFAULT_PORT="65536": want a number from 0 to 65535, where 0 means a free port`,
		"PATRON_HTTP_DEFAULT_PORT=-1":             `PATRON_HTTP_DEFAULT_PORT="-1": want a number from 0 to 65535, where 0 means a free port`,
		"PATRON_HTTP_DEFAULT_PORT=1e3":            `PATRON_HTTP_DEFAULT_PORT="1e3": want a number from 0 to 65535, where 0 means a free port`,
		"PATRON_HTTP_READ_TIMEOUT=0":              `PATRON_HTTP_READ_TIMEOUT="0": want a duration above 0`,
		"PATRON_HTTP_READ_TIMEOUT=5":              `PATRON_HTTP_READ_TIMEOUT="5": want a duration above 0`,
		"PATRON_HTTP_WRITE_TIMEOUT=-1s":           `PATRON_HTTP_WRITE_TIMEOUT="-1s": want a duration above 0`,
		"PATRON_HTTP_MANAGEMENT_ADDR=localhost":   `PATRON_HTTP_MANAGEMENT_ADDR="localhost": want host:port, or off`,
		"PATRON_HTTP_MANAGEMENT_ADDR=a:99999":     `PATRON_HTTP_MANAGEMENT_ADDR="a:99999": want host:port, or off`,
		"PATRON_LOG_LEVEL=loud":                   `PATRON_LOG_LEVEL="loud": want debug, info, warn, error, fatal, panic or none, in upper or lower case`,
		"PATRON_LOG_FORMAT=xml":                   `PATRON_LOG_FORMAT="xml": want json or text, in upper or lower case`,
		"PATRON_DRAIN_DELAY=-1ms":                 `PATRON_DRAIN_DELAY="-1ms": want a duration, 0 or more`,
		"PATRON_GRACE_PERIOD=long":                `PATRON_GRACE_PERIOD="long": want a duration, 0 or more`,
		"PATRON_JAEGER_AGENT_HOST=http://jaeger":  `PATRON_JAEGER_AGENT_HOST="http://jaeger": want a host name or an IP address, without a port`,
		"PATRON_JAEGER_AGENT_HOST=jaeger:6831":    `PATRON_JAEGER_AGENT_HOST="jaeger:6831": want a host name or an IP address, without a port`,
		"PATRON_JAEGER_AGENT_PORT=6831":           `PATRON_JAEGER_AGENT_PORT="6831": set without PATRON_JAEGER_AGENT_HOST, so it would do nothing`,
		"PATRON_JAEGER_SAMPLER_PARAM=much":        `PATRON_JAEGER_SAMPLER_PARAM="much": want a number that the sampler type accepts`,
		"OTEL_RESOURCE_ATTRIBUTES=novalue":        `; want key=value pairs with commas between them, percent-encoded`,
		"OTEL_TRACES_SAMPLER=jaeger_remote":       `OTEL_TRACES_SAMPLER="jaeger_remote": want always_on, always_off, traceidratio, parentbased_always_on`,
		"OTEL_TRACES_SAMPLER_ARG=0.5":             `OTEL_TRACES_SAMPLER_ARG="0.5": set without OTEL_TRACES_SAMPLER, so it would do nothing`,
		"OTEL_PROPAGATORS=tracecontext,b4":        `; want tracecontext, baggage, b3, b3multi and jaeger with commas between them, or none`,
		"PATRON_JAEGER_AGENT_PORT=0":              `PATRON_JAEGER_AGENT_PORT="0": want a number from 1 to 65535`,
		"PATRON_HTTP_DEFAULT_PORT=\x1b[31mred":    `PATRON_HTTP_DEFAULT_PORT="\x1b[31mred": want`,
		"PATRON_HTTP_DEFAULT_PORT=99999999999999": `PATRON_HTTP_DEFAULT_PORT="99999999999999": want`,
	} {
		_, err := readEnvironment([]string{pair})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got the error\n%v\nwant one with\n%s", pair, err, want)
		}
	}
}

func TestAllBadValuesAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := readEnvironment([]string{"PATRON_LOG_LEVEL=x", "PATRON_GRACE_PERIOD=x", "PATRON_HTTP_DEFAULT_PORT=x"})
	if got := strings.Count(fmt.Sprint(err), `="x": want `); got != 3 {
		t.Errorf("got %d faults, want 3:\n%v", got, err)
	}
}

func TestEveryVariableDoesSomething(t *testing.T) {
	t.Parallel()
	none, err := readEnvironment(nil)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		varPort: "1", varReadTimeout: "1s", varWriteTimeout: "1s", varManagementAddr: "a:1", varLogLevel: "debug", varLogFormat: "text", varDrainDelay: "1s",
		varGracePeriod: "1s", varJaegerHost: "a", varJaegerPort: "1", varSamplerType: "const", varSamplerParam: "1", varOTelService: "a",
		varOTelResource: "a=b", varOTelSampler: "always_on", varOTelSamplerArg: "1", varOTelPropagators: "b3",
	}
	for _, s := range sections() {
		for _, v := range s.variables {
			e, _ := readEnvironment([]string{v.name + "=" + values[v.name]}) // some need another one
			e.values = none.values
			if cmp.Equal(none, e, cmp.AllowUnexported(environment{})) {
				t.Errorf("%s=%s changes nothing", v.name, values[v.name])
			}
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"PATRON_HTTP_PORT":       varPort,
		"PATRON_LOGLEVEL":        varLogLevel,
		"PATRON_GRACE_PERIODE":   varGracePeriod,
		"PATRON_JAEGER_HOST":     varJaegerHost,
		"PATRON_":                varLogLevel,
		"PATRON_JAEGER_SAMPLER_": varSamplerType,
	} {
		if got := nearest(name); got != want {
			t.Errorf("nearest(%s): got %s, want %s", name, got, want)
		}
	}
}

// The distance is a metric, and it counts changes.
func TestDistance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[AB_]{0,8}`)
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if d := distance(a, b); d != distance(b, a) || (d == 0) != (a == b) || d > distance(a, c)+distance(c, b) || d > len(a)+len(b) {
			t.Fatalf("distance(%q, %q): got %d", a, b, d)
		}
		at := rapid.IntRange(0, len(a)).Draw(t, "at")
		if d := distance(a, a[:at]+"X"+a[at:]); d != 1 {
			t.Fatalf("one letter more: got %d", d)
		}
	})
}

// FuzzReadEnvironment sets one variable at a time, each to the same text, and asks a second reading of the table what should come of it.
func FuzzReadEnvironment(f *testing.F) {
	for _, s := range sections() {
		for _, v := range s.variables {
			f.Add(v.value)
		}
	}
	for _, s := range []string{
		"", " ", "\x00", "-1", "0", "65535", "65536", "+5", "007", "1h2m3.5s", "1ns", "-1s", "9999999h", "5", "OFF", ":0", "[::1]:80", "h:x", "a:b:c",
		"localhost", "::1",
		"10.0.0.1", "fe80::1%eth0", "a b", "INFO", "Text", "\u017fon", "j\u017fon", "always_on", "TraceIDRatio", "0.5", "NaN", "1e999", "0x1p-2",
		"b3, jaeger", "none", "none,b3",
		"a=1,b=%2C", "a", "=", "a=%zz", "const", "remote",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		known := 0
		for _, s := range sections() {
			for _, v := range s.variables {
				known++
				e, err := readEnvironment([]string{v.name + "=" + value, "PATH=" + value, prefix + "=" + value})
				if e == nil {
					t.Fatal("got no environment")
				}
				if !slices.Equal(e.unknown, []string{prefix}) {
					t.Errorf("unknown variables: got %q", e.unknown)
				}
				clean := strings.TrimSpace(value)
				if want := clean == "" || isFine(t, e, v.name, clean); (err == nil) != want {
					t.Errorf("%s=%q: got %v, want an error: %t", v.name, value, err, !want)
				}
				if err != nil && (!strings.Contains(err.Error(), v.name+"="+strconv.Quote(clean)) || strings.ContainsAny(err.Error(), "\r\x00\x1b")) {
					t.Errorf("the error of %s=%q does not name it: %v", v.name, value, err)
				}
				if e.port < 0 || e.port > 65535 || e.readTimeout <= 0 || e.writeTimeout <= 0 || e.drainDelay < 0 || e.gracePeriod < 0 || e.jaegerPort < 1 {
					t.Errorf("%s=%q: got %+v", v.name, value, e)
				}
			}
		}
		if known != 17 {
			t.Errorf("got %d variables, want 17: add the new one to isFine", known)
		}
	})
}

// isFine says whether a variable may have the value, in other words than the table does, and checks that e has it.
func isFine(t *testing.T, e *environment, name, value string) bool {
	t.Helper()
	number, noNumber := strconv.ParseInt(value, 10, 32)
	span, noSpan := time.ParseDuration(value)
	lower := strings.ToLower(value)
	port := func(least int64, got int) bool {
		ok := noNumber == nil && least <= number && number <= 65535
		if ok && int64(got) != number {
			t.Errorf("%s=%q: got %d", name, value, got)
		}
		return ok
	}
	lasts := func(least time.Duration, got time.Duration) bool {
		ok := noSpan == nil && span >= least
		if ok && got != span {
			t.Errorf("%s=%q: got %v", name, value, got)
		}
		return ok
	}
	switch name {
	case varPort:
		return port(0, e.port)
	case varJaegerPort:
		port(1, e.jaegerPort)
		return false // without a host
	case varReadTimeout:
		return lasts(1, e.readTimeout)
	case varWriteTimeout:
		return lasts(1, e.writeTimeout)
	case varDrainDelay:
		return lasts(0, e.drainDelay)
	case varGracePeriod:
		return lasts(0, e.gracePeriod)
	case varManagementAddr:
		_, p, err := net.SplitHostPort(value)
		n, noPort := strconv.ParseInt(p, 10, 32)
		return lower == off || err == nil && noPort == nil && 0 <= n && n <= 65535
	case varLogLevel:
		return slices.Contains([]string{"debug", "info", "warn", "error", "fatal", "panic", "none"}, lower)
	case varLogFormat:
		return lower == "json" || lower == "text"
	case varJaegerHost:
		_, err := netip.ParseAddr(value)
		return err == nil || regexp.MustCompile(`\A[A-Za-z0-9._-]+\z`).MatchString(value)
	case varSamplerParam:
		_, err := strconv.ParseFloat(value, 64)
		return err == nil
	case varOTelSampler:
		_, err := provider.ParseSampler(value, "")
		return err == nil
	case varOTelResource:
		_, err := provider.ParseResourceAttributes(value)
		return err == nil
	case varOTelPropagators:
		_, err := provider.ParsePropagators(strings.Split(value, ","))
		return err == nil
	case varOTelSamplerArg:
		return false // without a sampler
	default:
		return true // texts
	}
}

const configurationFile = "docs/configuration.md"

func TestTheConfigurationDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	want := configurationDocument()
	if *write {
		if err := os.WriteFile(configurationFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(configurationFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale, make it anew with go generate (-want +got):\n%s", configurationFile, diff)
	}
}

// configurationDocument renders the table of variables.
func configurationDocument() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from env.go by go generate; edits are lost. -->\n\n# Configuration\n\n" +
		"`patron.New` reads these environment variables, once; nothing else in the framework reads the environment. An option wins over\n" +
		"a variable, a variable over the default. An empty value counts as not set. A value that is not allowed is an error of `New`\n" +
		"that names the variable, the value and what is allowed. A `PATRON_` variable that is not listed here is logged when the\n" +
		"service runs, with the name that is nearest, unless it begins with `PATRON_TEST_`: those tell tests where brokers are.\n\n" +
		"Durations are written as in Go: `300ms`, `1m30s`.\n")
	code := regexp.MustCompile(`With\w+\([^,]*\)`)
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| variable | default | allowed | what it is | option |\n| --- | --- | --- | --- | --- |\n", s.title, s.text)
		for _, v := range s.variables {
			def := v.unset
			if v.value != "" {
				def = "`" + v.value + "`"
			}
			option := code.ReplaceAllString(v.option, "`$0`")
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", v.name, cell(def), cell(v.want), cell(v.about), cell(option))
		}
	}
	return b.String()
}

func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	var names []string
	for _, s := range sections() {
		if s.title == "" || s.text == "" {
			t.Errorf("section %q: no title or text", s.title)
		}
		for _, v := range s.variables {
			if (v.value == "") == (v.unset == "") {
				t.Errorf("%s: want a default or what holds without one", v.name)
			}
			if v.want == "" || v.about == "" || v.option == "" || !strings.HasSuffix(v.about, ".") {
				t.Errorf("%s: something is not said", v.name)
			}
			names = append(names, v.name)
		}
	}
	if slices.Sort(names); len(slices.Compact(names)) != 17 {
		t.Errorf("got the variables %v", names)
	}
}
