package sarama

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

// scram is the client's side of one authentication by SCRAM (RFC 5802) without channel binding, as Kafka speaks it.
type scram struct {
	hash     func() hash.Hash
	password string
	nonce    string
	bare     string // the client's first message without its header
	server   []byte // what the server must sign with
	step     int
}

var _ sarama.SCRAMClient = (*scram)(nil)

// The steps.
const (
	scramFirst = iota
	scramFinal
	scramVerify
	scramDone
)

// Iterations that are believed: below, a password is too easily guessed by who answers in the server's place; above, one that is not ours wastes our time.
const leastIterations, mostIterations = 4096, 1 << 20

var errSCRAM = errors.New("SCRAM: the server's message is not as RFC 5802 has it")

func newSCRAM(mechanism sarama.SASLMechanism) *scram {
	if mechanism == sarama.SASLTypeSCRAMSHA512 {
		return &scram{hash: sha512.New}
	}
	return &scram{hash: sha256.New}
}

// Begin implements sarama.SCRAMClient.
func (s *scram) Begin(user, password, _ string) error {
	nonce := make([]byte, 24)
	if _, err := rand.Read(nonce); err != nil {
		return fmt.Errorf("SCRAM: nonce: %w", err)
	}
	s.password, s.step = password, scramFirst
	s.nonce = base64.RawStdEncoding.EncodeToString(nonce)
	s.bare = "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) + ",r=" + s.nonce
	return nil
}

// Step implements sarama.SCRAMClient.
func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step - 1 {
	case scramFirst:
		return "n,," + s.bare, nil
	case scramFinal:
		return s.final(challenge)
	case scramVerify:
		return "", s.verify(challenge)
	default:
		return "", errSCRAM
	}
}

// Done implements sarama.SCRAMClient.
func (s *scram) Done() bool { return s.step >= scramDone }

// final answers the server's first message.
func (s *scram) final(challenge string) (string, error) {
	parts := strings.Split(challenge, ",")
	if len(parts) < 3 {
		return "", errSCRAM
	}
	nonce, okNonce := strings.CutPrefix(parts[0], "r=")
	salted, okSalt := strings.CutPrefix(parts[1], "s=")
	times, okTimes := strings.CutPrefix(parts[2], "i=")
	salt, err := base64.StdEncoding.DecodeString(salted)
	iterations, wrong := strconv.Atoi(times)
	if !okNonce || !okSalt || !okTimes || err != nil || wrong != nil || !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", errSCRAM
	}
	if iterations < leastIterations || iterations > mostIterations {
		return "", fmt.Errorf("SCRAM: the server wants %d iterations: want %d to %d", iterations, leastIterations, mostIterations)
	}
	key, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.hash().Size())
	if err != nil {
		return "", fmt.Errorf("SCRAM: %w", err)
	}
	client := s.sign(key, "Client Key")
	stored := s.hash()
	stored.Write(client)

	without := "c=biws,r=" + nonce
	auth := s.bare + "," + challenge + "," + without
	proof := s.sign(stored.Sum(nil), auth)
	for i := range proof {
		proof[i] ^= client[i]
	}
	s.server = s.sign(s.sign(key, "Server Key"), auth)
	return without + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// verify looks whether the server knows the password, too.
func (s *scram) verify(challenge string) error {
	text, ok := strings.CutPrefix(challenge, "v=")
	if !ok {
		return fmt.Errorf("SCRAM: the server refused: %s", strings.TrimPrefix(challenge, "e="))
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !hmac.Equal(signature, s.server) {
		return errors.New("SCRAM: the server's signature is wrong: it does not know the password")
	}
	return nil
}

func (s *scram) sign(key []byte, text string) []byte {
	mac := hmac.New(s.hash, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
