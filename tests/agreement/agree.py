#!/usr/bin/python3
"""Holds listen-unit against a real systemd: agree.py BIN SYSTEMD [COUNT [SEED]]

BIN has the commands, SYSTEMD the lab: lab, dump.py, units/, truth.json, addresses.txt. Each unit is bound twice, by the
systemd of the lab and by listen-unit in a mount namespace that is as empty, and the fds that a program gets are
compared field by field; so is what `listen` makes of the lines that `listen-unit -n` prints. COUNT units are made up."""
import json, os, random, re, shutil, signal, subprocess, sys, tempfile

bin_dir, lab_dir = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
count, seed = (int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((3, 300), (4, 1)))
work = tempfile.mkdtemp(prefix='lfm-agree-')
os.chmod(work, 0o755)
env = dict(os.environ, LAB_STATE=work + '/state')

OURS = r'''
mount --bind /run/lab /mnt; mount -t tmpfs tmpfs /run
for d in /var/lib /var/log /var/spool /root /tmp; do mount -t tmpfs tmpfs $d; done
cd /mnt/orig/$1; out=/mnt/out/$1.$3; shift 2
export PATH=/mnt/bin:$PATH
'''
SIDE = r'''
cd /run/lab
each() { # NUMBER UNIT
  rm -f out/dump.json; rm -rf /run/g
  if systemctl start "$2" 2>out/$1.log && systemctl start agree.service 2>>out/$1.log; then cp out/dump.json out/$1.systemd; fi
  find /run/g -printf '%p %y %m %u %g %l\n' 2>/dev/null | sort >out/$1.systemd.tree
  systemctl stop agree.service "$2" 2>/dev/null; systemctl reset-failed 2>/dev/null
  rm -rf /run/g /dev/mqueue/*
  unshare -m sh -c "$OURS"'listen-unit --accept "./$unit" fdmap-to systemd python3 /mnt/dump.py $out 2>$out.err; echo $? >>$out.err
    find /run/g -printf "%p %y %m %u %g %l\n" 2>/dev/null | sort >$out.tree; rm -f /dev/mqueue/*
    listen-unit -n --accept "./$unit" >$out.lines 2>/dev/null' sh $1 - ours
  unshare -m sh -c "$OURS"'[ -s ${out%printed}ours.lines ] || exit 0; eval "listen $(tr "\n" " " <${out%printed}ours.lines) fdmap-to systemd python3 /mnt/dump.py $out" 2>$out.err
    rm -f /dev/mqueue/*' sh $1 - printed
}
while read -r number unit; do export unit; each "$number" "$unit"; done
'''

def lab(*args, **more):
    return subprocess.run([lab_dir + '/lab', *args], env=env, check=True, **more)

def normal(path, original):
    """The fds of a dump, without what the kernel chooses and without the listed departures."""
    if not os.path.exists(path):
        return None
    return normal_dump(json.load(open(path)), original)

def normal_dump(dump, original):
    # the rest is the caller's
    dump['env'] = {name: dump['env'].get(name) for name in ('LISTEN_FDS', 'LISTEN_FDNAMES')}
    for fd in dump['fds']:
        fd.pop('CC', None) if 'TCPCongestion' not in original else None
        if fd.get('fam') == 'AF_NETLINK':
            fd['name'] = fd['name'][1:]
        if fd.get('fam') == 'AF_INET6' and fd['name'][0] != '::':
            fd.pop('V6ONLY', None)
        if fd.get('type') == 'SOCK_STREAM':
            # PassPacketInfo= is for datagrams
            fd.pop('V6_RECVPKTINFO', None), fd.pop('IP_PKTINFO', None)
        for key in ('PASSCRED', 'PASSSEC'):
            # and PassCredentials= for sockets that have some
            if fd.get('fam') in ('AF_INET', 'AF_INET6'):
                fd.pop(key, None)
        if fd.get('link', '').startswith('/g'):
            # systemd 252 leaves the owner of queues alone
            fd['mode'] = fd['mode'].split()[0]
        if fd.get('V6_HOPS') == 0:
            # IPTTL=0 asks for nothing
            fd.pop('V6_HOPS')
        if re.search('^ *IPTOS *=', original, re.M):
            # the kernel makes a priority of it, after which systemd's Priority= is lost
            fd.pop('PRIORITY', None)
        fd.pop('dir', None) if fd.get('fam') != 'AF_UNIX' else None
    return dump

problems = []
def compare(what, left, right, detail=''):
    if left != right:
        problems.append(what)
        print('DISAGREE', what, detail)
        print('  ', json.dumps(left)); print('  ', json.dumps(right))

def run(units):
    """units: (number, unit, original text). Leaves out/NUMBER.{systemd,ours,printed}."""
    text = ''.join('%s %s\n' % (number, unit) for number, unit, _ in units)
    lab('run', 'systemctl', 'daemon-reload')
    lab('run', 'sh', '-c', 'OURS=$0; export OURS\n' + SIDE, OURS, input=text, text=True)

def hide(text):
    """What the lab cannot have: programs of the package, and a service for each connection."""
    keep, skip = [], False
    for line in text.splitlines():
        skip = line.startswith('[Unit]') or line.startswith('[Install]') or (skip and not line.startswith('['))
        if not skip and not re.match(r'\s*(Exec|Accept|Service|MaxConn)', line):
            keep.append(line)
    return '\n'.join(keep) + '\n[Socket]\nAccept=no\nService=agree.service\n'

def place(number, unit, text, drop_ins=()):
    """Puts a unit where the lab's systemd and where listen-unit finds it."""
    file = re.sub(r'@[^.]*\.', '@.', unit)
    for directory, contents in ((work + '/u', hide(text)), (work + '/orig/%s' % number, text)):
        os.makedirs(directory, exist_ok=True)
        open(os.path.join(directory, file), 'w').write(contents)
        for name, contents in drop_ins:
            os.makedirs(os.path.join(directory, unit + '.d'), exist_ok=True)
            open(os.path.join(directory, unit + '.d', name), 'w').write(contents)

def said(path):
    return open(path).read() if os.path.exists(path) else ''

def check(number, unit, text, trees=True):
    out = work + '/out/%s.' % number
    theirs, ours = normal(out + 'systemd', text), normal(out + 'ours', text)
    error = said(out + 'ours.err').strip()
    compare(unit + ': systemd and listen-unit', theirs, ours, error + '\n' + open(out + 'log').read() + text)
    compare(unit + ': listen-unit and listen', ours, normal(out + 'printed', text), said(out + 'ours.lines') + said(out + 'printed.err'))
    if trees and theirs:
        compare(unit + ': the tree', open(out + 'systemd.tree').read(), open(out + 'ours.tree').read(), text)
    return theirs

def real():
    truth = json.load(open(lab_dir + '/truth.json'))
    known = bound = 0
    for number, (file, was) in enumerate(sorted(truth.items())):
        text = open(lab_dir + '/units/' + file).read()
        unit = file.rsplit('--', 1)[1].replace('@.', '@inst.')
        place('r%d' % number, unit, text)
        run([('r%d' % number, unit, text)])
        bound += check('r%d' % number, unit, text) is not None
        if was.get('dump'):
            ours = normal(work + '/out/r%d.ours' % number, text)
            then = normal_dump(was['dump'], text)
            for dump in (ours, then):
                for fd in (dump or {}).get('fds', []):
                    # users have other numbers here
                    fd['node'] = fd.get('node', '').split()[0:1]
                    # a default of the machine
                    for key in ('RCVBUF', 'SNDBUF'):
                        if key == 'RCVBUF' and 'ReceiveBuffer' in text or key == 'SNDBUF' and 'SendBuffer' in text:
                            continue
                        fd.pop(key, None)
            compare(unit + ': truth and listen-unit', then, ours)
            known += 1
        for path in (work + '/u/' + unit, work + '/u/' + unit.replace('@inst.', '@.')):
            if os.path.exists(path):
                os.remove(path)
    print('units: %d, bound by both: %d, with a known truth: %d' % (len(truth), bound, known))

def addresses():
    lines = [line.rstrip('\n').split('|') for line in open(lab_dir + '/addresses.txt')]
    units = []
    for number, parts in enumerate(lines):
        # a line of an address, "show", the exit code, what a service got
        unit = 'e%d.socket' % number
        text = '[Socket]\n%s\n' % parts[0].rstrip()
        place('e%d' % number, unit, text)
        units.append(('e%d' % number, unit, text))
    run(units)
    bound = 0
    for (number, unit, text), parts in zip(units, lines):
        if 'ListenSpecial' in text:
            # systemd waits with epoll(7), which does not take every file
            continue
        theirs = check(number, unit, text)
        worked = 'rc=0' in parts[2]
        code = open(work + '/out/%s.ours.err' % number).read().split('\n')[-2]
        bound += theirs is not None
        compare('addresses.txt: ' + text, worked, os.path.exists(work + '/out/%s.ours' % number), code)
        # an interface that is not there is found out by us when the socket is bound
        if 'bad-setting' in parts[1] and 'nonexist' not in text:
            compare('addresses.txt: the code of ' + text, '100', code)
    print('addresses: %d, bound by both: %d' % (len(lines), bound))

def made_up(rng, number):
    """A unit of random directives."""
    some = lambda *values: rng.choice(values)
    maybe = lambda chance: rng.random() < chance
    port = 10000 + 20 * number
    dir = '/run/g/%d' % number + some('', '/a', '/a/b')
    listen = []
    for at in range(rng.randint(1, 4)):
        port += 1
        path = '%s/s%d' % (dir, at)
        listen.append(some(
            'ListenStream=%d' % port, 'ListenStream=127.0.0.1:%d' % port, 'ListenStream=[::1]:%d' % port,
            'ListenStream=0.0.0.0:%d' % port, 'ListenStream=0x%x' % port, 'ListenDatagram=%d' % port,
            'ListenDatagram=127.0.0.1:%d' % port, 'ListenDatagram=[::1]:%d' % port, 'ListenDatagram=[::]:%d' % port,
            'ListenStream=' + path, 'ListenStream=%s' % path, 'ListenDatagram=' + path, 'ListenSequentialPacket=' + path,
            'ListenStream = /var/run/g/%d/v%d' % (number, at), 'ListenStream=@g%d-%d' % (number, at),
            'ListenDatagram=@g%d-%d x' % (number, at), 'ListenFIFO=' + path, 'ListenMessageQueue=/g%d-%d' % (number, at),
            'ListenNetlink=route %s' % some('', '1', '1361', '0x11'), 'ListenNetlink=kobject-uevent 1',
            'ListenStream=%%t/g/%d/%%p-%d' % (number, at),
            'ListenStream=/run/g/%d/%%u-%%U-%%n%%%%x-%d' % (number, at)))
    yes = lambda: some('yes', 'no', '1', '0', 'TRUE', 'off', 'y', 'maybe' if maybe(.1) else 'on')
    bytes = lambda: some('8K', '64K', '1M', '1.5M', '100000', '2M 3K', '0', '8m' if maybe(.2) else '16M', '300K')
    time = lambda most: some('%d' % rng.randint(1, most), '%ds' % rng.randint(1, most), '1min', '1min 5s', '1500ms', '0', 'soon' if maybe(.2) else '7')
    choices = [
        lambda: 'SocketMode=%s' % some('0600', '660', '0777', '0000', '0640', '7'),
        lambda: 'DirectoryMode=%s' % some('0700', '0750', '711', '0755'),
        lambda: 'SocketUser=%s' % some('nobody', 'root', '65534', 'daemon', '1', ''),
        lambda: 'SocketGroup=%s' % some('nogroup', 'root', '7', 'adm', ''),
        lambda: 'BindIPv6Only=%s' % some('default', 'both', 'ipv6-only', 'yes', 'no'),
        lambda: 'Backlog=%s' % some('1', '128', '4294967295', '0x10'),
        lambda: 'ReusePort=' + yes(), lambda: 'FreeBind=' + yes(), lambda: 'Transparent=' + yes(),
        lambda: 'KeepAlive=' + yes(), lambda: 'KeepAliveTimeSec=' + time(3000), lambda: 'KeepAliveIntervalSec=' + time(300),
        lambda: 'KeepAliveProbes=%s' % some('5', '0', '200', 'x', '127'), lambda: 'NoDelay=' + yes(),
        lambda: 'DeferAcceptSec=' + time(30), lambda: 'Broadcast=' + yes(), lambda: 'PassCredentials=' + yes(),
        lambda: 'PassSecurity=' + yes(), lambda: 'PassPacketInfo=' + yes(),
        lambda: 'Timestamping=%s' % some('us', 'ns', 'off', 'usec', 'nsec', 'no', 'yes'),
        lambda: 'Priority=%s' % some('0', '6', '-1', '7', '3', 'x'), lambda: 'ReceiveBuffer=' + bytes(),
        lambda: 'SendBuffer=' + bytes(), lambda: 'Mark=%s' % some('0', '17', '0x11', '-1', 'x'),
        lambda: 'IPTOS=%s' % some('low-delay', 'throughput', '16', '0', '255', '256', 'reliability'),
        lambda: 'IPTTL=%s' % some('1', '64', '255', '0', '300', '-1', '17'),
        lambda: 'TCPCongestion=%s' % some('reno', 'cubic', 'nosuch'),
        lambda: 'FileDescriptorName=%s' % some('web', 'a.b', 'x-%p', ''),
        lambda: 'Symlinks=/run/g/%d/link %s' % (number, some('', '/run/g/%d/deep/er/link' % number, '"/run/g/%d/a b"' % number)),
        lambda: 'PipeSize=%s' % some('4K', '1M', '65536', '0'), lambda: 'MessageQueueMaxMessages=%s' % some('5', '10', '0'),
        lambda: 'MessageQueueMessageSize=%s' % some('100', '4096', '0'), lambda: 'Writable=' + yes(),
        lambda: 'BindToDevice=%s' % some('lo', ''), lambda: 'MaxConnections=5', lambda: 'RemoveOnStop=' + some('yes', 'no'),
        lambda: 'TriggerLimitBurst=9', lambda: 'X-Mine=1', lambda: 'Colour=blue', lambda: '# Listen=1\n;c', lambda: '',
        lambda: 'ExecStartPost=/bin/true', lambda: '[X-Other]\nListenStream=1\n[Socket]',
    ]
    # half of the units have a few directives, half have many
    directives = [rng.choice(choices)() for _ in range(rng.choice((2, 5, 15, 30)))]
    # a yes of these two is no error to systemd only because it goes on without
    directives = [one.replace('maybe', 'yes') if one.startswith(('Writable', 'Backlog')) else one for one in directives]
    lines = listen + directives
    rng.shuffle(lines)
    # listen lines keep their order, so that ports do
    lines = [line if line not in listen else None for line in lines]
    order = iter(listen)
    lines = [next(order) if line is None else line for line in lines]
    if maybe(.15):
        at = rng.randrange(len(lines) + 1)
        lines.insert(at, 'ListenStream=')
        lines.append('ListenStream=@after%d' % number)
    if maybe(.2):
        lines = [line.replace('=', '=\\\n  ', 1) if maybe(.3) and '=' in line and not line.startswith(('#', '[')) else line for line in lines]
    drop_ins = []
    if maybe(.3):
        cut = rng.randrange(len(lines) + 1)
        drop_ins = [('20-b.conf', '[Socket]\n' + '\n'.join(lines[cut:]) + '\n'), ('10-a.conf', '[Socket]\nListenStream=@drop%d\n' % number)]
        lines = lines[:cut]
    text = some('', '\ufeff') + '[Socket]\n' + '\n'.join(lines) + '\n'
    return (text.replace('\n', '\r\n') if maybe(.1) else text), drop_ins

def generated():
    rng = random.Random(seed)
    units = []
    for number in range(count):
        text, drop_ins = made_up(rng, number)
        unit = 'g%d.socket' % number
        place('g%d' % number, unit, text, drop_ins)
        units.append(('g%d' % number, unit, text + ''.join('\n# %s\n%s' % one for one in drop_ins)))
    run(units)
    bound = fds = 0
    for number, unit, text in units:
        theirs = check(number, unit, text)
        bound += theirs is not None
        fds += len(theirs['fds']) if theirs else 0
    print('made up: %d (seed %d), bound by both: %d, fds: %d' % (count, seed, bound, fds))

signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    for name in ('u', 'out', 'orig', 'bin'):
        os.mkdir(work + '/' + name)
    for name in ('listen', 'listen-unit', 'fdmap-to'):
        shutil.copy(os.path.join(bin_dir, name), work + '/bin/')
    shutil.copy(lab_dir + '/dump.py', work)
    open(work + '/u/agree.service', 'w').write('[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /run/lab/dump.py /run/lab/out/dump.json\n')
    lab('up', work)
    real()
    addresses()
    generated()
finally:
    subprocess.run([lab_dir + '/lab', 'down'], env=env)
    if os.environ.get('AGREE_KEEP'):
        print(work)
    else:
        shutil.rmtree(work)
print('disagreements: %d' % len(problems))
sys.exit(bool(problems))
