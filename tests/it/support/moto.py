# Serves moto, prints its port, and ends when its input ends: with what started it, however that ends. A line of the
# input names a bucket and a number of objects, which are put there, since 100,000 requests would take minutes; a line
# of the output says that they are.
import logging, sys, threading
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server
logging.getLogger('werkzeug').setLevel(logging.ERROR)
app = DomainDispatcherApplication(create_backend_app)
server = make_server('127.0.0.1', 0, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    bucket, count = line.split()
    backend = s3_backends[DEFAULT_ACCOUNT_ID]['aws']
    for number in range(int(count)):
        backend.put_object(bucket, f'films/{number // 1000:03}/{number:06}.mp4', b'x')
    print('done', flush=True)
