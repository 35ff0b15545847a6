package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probeTime bounds one question.
const probeTime = 5 * time.Second

// Probe asks the broker at address, a host and a port, whether it serves, in its own protocol and without credentials. It returns the version that the broker
// names, "" if it names none. Only one that can take work answers; one that starts, or recovers, is an error.
func (k Kind) Probe(ctx context.Context, address string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	switch k {
	case ElasticMQ:
		err = ask(ctx, "http://"+address+"/?Action=ListQueues")
	case Fauxqs:
		err = ask(ctx, "http://"+address+"/health")
	case Kafka, RabbitMQ, Redis, PostgreSQL, MariaDB:
		version, err = k.converse(ctx, address)
	}
	if err != nil {
		return "", fmt.Errorf("%s at %s: %w", k, address, err)
	}
	return version, nil
}

// Answers asks each of the addresses, with commas between them, whether it serves; see Probe. It returns the version that the first one names.
func (k Kind) Answers(ctx context.Context, addresses string) (version string, err error) {
	for i, address := range strings.Split(addresses, ",") {
		v, err := k.Probe(ctx, address)
		if err != nil {
			return "", err
		}
		if i == 0 {
			version = v
		}
	}
	return version, nil
}

// Await waits until the addresses answer, at most as long as a node may take to start. A broker of somebody else that cannot be watched is awaited so.
func (k Kind) Await(ctx context.Context, addresses string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var last error
	err = until(ctx, 200*time.Millisecond, func() (bool, error) {
		version, last = k.Answers(ctx, addresses)
		return last == nil, nil
	})
	if err != nil {
		return "", last
	}
	return version, nil
}

// ask gets a URL, which must be answered with 200.
func ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// converse opens a connection and says the first words.
func (k Kind) converse(ctx context.Context, address string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	switch k {
	case Kafka:
		return "", greetKafka(conn)
	case RabbitMQ:
		return greetRabbitMQ(conn)
	case Redis:
		return greetRedis(conn)
	case PostgreSQL:
		return greetPostgreSQL(conn)
	case MariaDB:
		return greetMariaDB(conn)
	case ElasticMQ, Fauxqs:
	}
	return "", errors.ErrUnsupported
}

// maxGreeting bounds what is read of an answer.
const maxGreeting = 1 << 20

// readBlock reads n bytes.
func readBlock(r io.Reader, n uint32) ([]byte, error) {
	if n > maxGreeting {
		return nil, fmt.Errorf("an answer of %d bytes: that is another protocol", n)
	}
	block := make([]byte, n)
	_, err := io.ReadFull(r, block)
	return block, err
}

// greetKafka asks for the versions of its interfaces (request 18, version 0), as every client does first. It names no version of its own.
func greetKafka(conn net.Conn) error {
	const correlation = 0x70617472
	request := []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 0, 0xff, 0xff} // length, request, version, correlation, no name
	binary.BigEndian.PutUint32(request[8:], correlation)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	head, err := readBlock(conn, 4)
	if err != nil {
		return err
	}
	answer, err := readBlock(conn, binary.BigEndian.Uint32(head))
	if err != nil {
		return err
	}
	if len(answer) < 6 || binary.BigEndian.Uint32(answer) != correlation {
		return errors.New("it does not speak Kafka's protocol")
	}
	if code := binary.BigEndian.Uint16(answer[4:]); code != 0 {
		return fmt.Errorf("it answers with error %d", code)
	}
	return nil
}

// greetRabbitMQ opens the protocol, and finds the version among the properties that the server presents itself with (AMQP 0-9-1, connection.start).
func greetRabbitMQ(conn net.Conn) (string, error) {
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return "", err
	}
	head, err := readBlock(conn, 7) // type, channel, size
	if err != nil {
		return "", err
	}
	if head[0] != 1 {
		return "", errors.New("it does not speak AMQP 0-9-1")
	}
	start, err := readBlock(conn, binary.BigEndian.Uint32(head[3:]))
	if err != nil {
		return "", err
	}
	_, version, ok := bytes.Cut(start, []byte("\x07versionS"))
	if !ok || len(version) < 4 {
		return "", nil
	}
	size := binary.BigEndian.Uint32(version)
	version = version[4:]
	if int64(size) > int64(len(version)) {
		return "", nil
	}
	return string(version[:size]), nil
}

// greetRedis asks for information about the server.
func greetRedis(conn net.Conn) (string, error) {
	if _, err := io.WriteString(conn, "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"); err != nil {
		return "", err
	}
	lines := bufio.NewReader(io.LimitReader(conn, maxGreeting))
	first, err := lines.ReadString('\n')
	if err != nil {
		return "", err
	}
	switch {
	case strings.HasPrefix(first, "-LOADING"):
		return "", errors.New(strings.TrimSpace(first[1:]))
	case strings.HasPrefix(first, "-"): // it wants a password: it serves
		return "", nil
	case !strings.HasPrefix(first, "$"):
		return "", errors.New("it does not speak the protocol of Redis")
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if version, ok := strings.CutPrefix(line, "redis_version:"); ok {
			return strings.TrimSpace(version), nil
		}
	}
}

// greetPostgreSQL begins a session, and reads until the server is ready, or asks for a password.
func greetPostgreSQL(conn net.Conn) (string, error) {
	parameters := "user\x00postgres\x00database\x00patron\x00\x00"
	hello := binary.BigEndian.AppendUint32(nil, uint32(8+len(parameters)))
	hello = binary.BigEndian.AppendUint32(hello, 3<<16) // version 3.0
	if _, err := conn.Write(append(hello, parameters...)); err != nil {
		return "", err
	}
	version := ""
	for {
		head, err := readBlock(conn, 5)
		if err != nil {
			return "", err
		}
		size := binary.BigEndian.Uint32(head[1:])
		if size < 4 {
			return "", errors.New("it does not speak the protocol of PostgreSQL")
		}
		body, err := readBlock(conn, size-4)
		if err != nil {
			return "", err
		}
		switch head[0] {
		case 'R': // authentication
			if len(body) < 4 || binary.BigEndian.Uint32(body) != 0 {
				return "", nil
			}
		case 'S': // a parameter
			if name, value, _ := strings.Cut(string(body), "\x00"); name == "server_version" {
				version, _, _ = strings.Cut(strings.TrimRight(value, "\x00"), " ")
			}
		case 'E':
			return "", errors.New(strings.Join(strings.FieldsFunc(string(body), func(r rune) bool { return r == 0 }), " "))
		case 'Z': // ready
			_, err := conn.Write([]byte{'X', 0, 0, 0, 4})
			return version, err
		}
	}
}

// greetMariaDB reads the handshake, with which MariaDB and MySQL begin.
func greetMariaDB(conn net.Conn) (string, error) {
	head, err := readBlock(conn, 4)
	if err != nil {
		return "", err
	}
	hello, err := readBlock(conn, uint32(head[0])|uint32(head[1])<<8|uint32(head[2])<<16)
	if err != nil {
		return "", err
	}
	if len(hello) == 0 || hello[0] != 10 {
		return "", fmt.Errorf("it refuses: %q", hello)
	}
	version, _, ok := strings.Cut(string(hello[1:]), "\x00")
	if !ok {
		return "", errors.New("it does not speak the protocol of MySQL")
	}
	if number, _, ok := strings.Cut(version, "-MariaDB"); ok { // 10.11.19-MariaDB-0+deb12u1; some put 5.5.5- before it
		return strings.TrimPrefix(number, "5.5.5-"), nil
	}
	return version, nil
}
