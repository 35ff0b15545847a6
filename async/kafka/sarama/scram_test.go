package sarama

import (
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

// TestSCRAMGivesTheExchangeOfRFC7677 plays the example of section 3 of the RFC.
func TestSCRAMGivesTheExchangeOfRFC7677(t *testing.T) {
	t.Parallel()
	s := newSCRAM(sarama.SASLTypeSCRAMSHA256)
	if err := s.Begin("user", "pencil", ""); err != nil {
		t.Fatal(err)
	}
	s.nonce = "rOprNGfwEbeRWgbNEkqO"
	s.bare = "n=user,r=" + s.nonce
	for i, step := range []struct{ challenge, want string }{
		{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
		{
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	} {
		if s.Done() {
			t.Fatalf("step %d: it is done already", i)
		}
		got, err := s.Step(step.challenge)
		if err != nil || got != step.want {
			t.Fatalf("step %d: got %q, %v, want %q", i, got, err, step.want)
		}
	}
	if !s.Done() {
		t.Error("it is not done after the server's signature")
	}
}

func TestSCRAMBelievesNoServerThatDoesNotKnowThePassword(t *testing.T) {
	t.Parallel()
	const first = "s=W22ZaJ0SNY7soEsUEjb6gQ==,i="
	for name, challenges := range map[string][]string{
		"another nonce":       {"r=another," + first + "4096"},
		"the client's nonce":  {"r=own," + first + "4096"},
		"few iterations":      {"r=own+theirs," + first + "1"},
		"endless iterations":  {"r=own+theirs," + first + "99999999"},
		"no salt":             {"r=own+theirs,s=*,i=4096"},
		"nothing":             {""},
		"another signature":   {"r=own+theirs," + first + "4096", "v=AAAA"},
		"a refusal":           {"r=own+theirs," + first + "4096", "e=invalid-proof"},
		"no server signature": {"r=own+theirs," + first + "4096", ""},
	} {
		s := newSCRAM(sarama.SASLTypeSCRAMSHA512)
		if err := s.Begin("a,b=c", "secret", ""); err != nil {
			t.Fatal(err)
		}
		if hello, err := s.Step(""); err != nil || !strings.HasPrefix(hello, "n,,n=a=2Cb=3Dc,r=") {
			t.Fatalf("%s: first message: got %q, %v", name, hello, err)
		}
		s.nonce, s.bare = "own", "n=a,r=own"
		var err error
		for _, c := range challenges {
			_, err = s.Step(c)
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error without the password", name, err)
		}
	}
}
