// What raw.ts and watchers.ts do together, in Go: the least that a client can be on both cores of a machine.
// Arguments and lines are those of watchers.ts.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	timeout = 60_000 // ms
	ping    = 20 * time.Second
	width   = 96
)

func main() {
	servers, path := strings.Split(os.Args[1], ","), os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	fmt.Println("started")
	reads := make(chan string, count) // nobody takes from it until all are open
	sessions := make([]*session, count)
	inTurns(count, func(at int) { sessions[at] = open(servers[at%len(servers)], path, reads) })
	fmt.Println("ready")
	go func() {
		bufio.NewReader(os.Stdin).ReadString(0)
		inTurns(count, func(at int) { sessions[at].close() })
		os.Exit(0)
	}()
	value, times := "", 0
	for read := range reads {
		if read != value {
			value, times = read, 0
		}
		times++
		if times == count {
			fmt.Println("read " + value)
		}
	}
}

type session struct {
	conn    net.Conn
	closing bool
	ended   chan struct{}
}

func open(server, path string, reads chan<- string) *session {
	conn, err := net.Dial("tcp", server)
	check(err)
	s := &session{conn: conn, ended: make(chan struct{})}
	s.send(make([]byte, 12), number(timeout), make([]byte, 8), number(16), make([]byte, 16))
	s.receive()
	first := make(chan struct{})
	go s.follow(path, reads, first)
	<-first
	go func() {
		for range time.Tick(ping) {
			conn.Write(append(number(8), append(number(-2), number(11)...)...)) // after its end nobody is there to be told
		}
	}()
	return s
}

func (s *session) follow(path string, reads chan<- string, first chan<- struct{}) {
	defer close(s.ended)
	ask := func() { s.send(number(1), number(4), number(len(path)), []byte(path), []byte{1}) }
	ask()
	for {
		reply := s.receive()
		if reply == nil {
			return
		}
		switch xid := int32(binary.BigEndian.Uint32(reply)); xid {
		case -1:
			ask()
		case 1:
			if failure := int32(binary.BigEndian.Uint32(reply[12:])); failure != 0 {
				panic(fmt.Sprint("ZooKeeper answers with error ", failure))
			}
			reads <- string(reply[20:28])
			if first != nil {
				close(first)
				first = nil
			}
		}
	}
}

func (s *session) close() {
	s.closing = true
	s.send(number(2), number(-11))
	<-s.ended
}

func (s *session) send(parts ...[]byte) {
	body := []byte{}
	for _, part := range parts {
		body = append(body, part...)
	}
	_, err := s.conn.Write(append(number(len(body)), body...))
	check(err)
}

func (s *session) receive() []byte {
	head := make([]byte, 4)
	_, err := io.ReadFull(s.conn, head)
	if err == nil {
		body := make([]byte, binary.BigEndian.Uint32(head))
		if _, err = io.ReadFull(s.conn, body); err == nil {
			return body
		}
	}
	if !s.closing {
		check(err)
	}
	return nil
}

func inTurns(times int, work func(at int)) {
	var group sync.WaitGroup
	turns := make(chan struct{}, width)
	for at := range times {
		turns <- struct{}{}
		group.Add(1)
		go func() {
			work(at)
			<-turns
			group.Done()
		}()
	}
	group.Wait()
}

func number(value int) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(int32(value)))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
