"""TLS to the broker: chains and names that people have. Certificates are made here."""
import sys, os, json, time, subprocess
from lib.paths import *
from lib import box as B
D = RUN + '/tls'; os.makedirs(D, exist_ok=True); os.chdir(D); base = int(sys.argv[1]) if len(sys.argv) > 1 else 24100
def sh(c): subprocess.run(c, shell=True, check=True, capture_output=True)
def ca(n, by=None, ext='basicConstraints=critical,CA:TRUE'):
    sh(f"openssl ecparam -name prime256v1 -genkey -noout -out {n}.key; openssl req -new -key {n}.key -subj '/CN={n}' -out {n}.csr; printf '{ext}\\n' > {n}.ext; " + (f"openssl x509 -req -in {n}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -days 30 -extfile {n}.ext -out {n}.pem" if by else f"openssl x509 -req -in {n}.csr -signkey {n}.key -days 30 -extfile {n}.ext -out {n}.pem"))
ca('root'); ca('inter', 'root'); ca('other')
ca('leaf-ip', 'inter', 'subjectAltName=IP:127.0.0.1'); ca('leaf-dns', 'inter', 'subjectAltName=DNS:localhost'); ca('leaf-nosan', 'inter', 'basicConstraints=CA:FALSE'); ca('leaf-wrong', 'inter', 'subjectAltName=DNS:broker.example')
sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 30 -subj '/CN=localhost' -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1'")
sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout selfold.key -out selfold.pem -days 30 -subj '/CN=127.0.0.1'")
sh("openssl req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -days 30 -subj '/CN=localhost' -addext 'subjectAltName=DNS:localhost'")
sh("faketime '2020-01-01' openssl x509 -req -in leaf-dns.csr -CA inter.pem -CAkey inter.key -CAcreateserial -days 30 -extfile leaf-dns.ext -out expired.pem; cp leaf-dns.key expired.key")
sh("faketime '2030-01-01' openssl x509 -req -in leaf-dns.csr -CA inter.pem -CAkey inter.key -CAcreateserial -days 30 -extfile leaf-dns.ext -out future.pem; cp leaf-dns.key future.key")
for l in ('leaf-ip', 'leaf-dns', 'leaf-nosan', 'leaf-wrong', 'expired', 'future'): sh(f'cat {l}.pem inter.pem > {l}-chain.pem')
def t(label, host, cert, key, cafile, tls=True, scheme='mqtts'):
    global base
    base += 10; P = base + 5
    m = B.broker(P, f'certfile {D}/{cert}\nkeyfile {D}/{key}\n' if tls else ''); time.sleep(0.4)
    b = B.Box('tlsbox', base, courts='a', broker=f'{scheme}://{host}:{P}', uplink=f'ca_file = "{D}/{cafile}"' if cafile else '')
    time.sleep(2.5); s = b.state()['uplink']; print('%-52s connected=%s %s' % (label, s.get('connected'), s.get('fault')), flush=True)
    if not s.get('connected'):
        r = subprocess.run([B.BIN, 'check', '-c', b.conf], capture_output=True, text=True); print('      check:', [l for l in (r.stdout + r.stderr).splitlines() if 'broker' in l.lower() or 'uplink' in l.lower()][:3])
    b.stop(); m.terminate(); m.wait()
t('root as CA, leaf+intermediate sent, DNS', 'localhost', 'leaf-dns-chain.pem', 'leaf-dns.key', 'root.pem')
t('same, IP SAN, address given as IP', '127.0.0.1', 'leaf-ip-chain.pem', 'leaf-ip.key', 'root.pem')
t('intermediate NOT sent, root as CA', 'localhost', 'leaf-dns.pem', 'leaf-dns.key', 'root.pem')
t('intermediate not sent, intermediate given as CA', 'localhost', 'leaf-dns.pem', 'leaf-dns.key', 'inter.pem')
t('wrong CA', 'localhost', 'leaf-dns-chain.pem', 'leaf-dns.key', 'other.pem')
t('no ca_file, private CA', 'localhost', 'leaf-dns-chain.pem', 'leaf-dns.key', None)
t('name does not match', 'localhost', 'leaf-wrong-chain.pem', 'leaf-wrong.key', 'root.pem')
t('no SAN, only CN', 'localhost', 'leaf-nosan-chain.pem', 'leaf-nosan.key', 'root.pem')
t('expired', 'localhost', 'expired-chain.pem', 'expired.key', 'root.pem')
t('not yet valid', 'localhost', 'future-chain.pem', 'future.key', 'root.pem')
t('self-signed by openssl req -x509 (CA:TRUE), itself as CA', 'localhost', 'self.pem', 'self.key', 'self.pem')
t('self-signed, CN only', '127.0.0.1', 'selfold.pem', 'selfold.key', 'selfold.pem')
t('1024 bit RSA', 'localhost', 'weak.pem', 'weak.key', 'weak.pem')
t('mqtts to a plain listener', 'localhost', '', '', 'root.pem', tls=False)
t('mqtt to a TLS listener', 'localhost', 'leaf-dns-chain.pem', 'leaf-dns.key', None, scheme='mqtt')
t('ca_file is a key, not a certificate', 'localhost', 'leaf-dns-chain.pem', 'leaf-dns.key', 'root.key')
