// A device made with the Leshan client library, steered from standard input: the peer that
// tests/live/test_live_leshan_client.py and test_live_leshan_bootstrap.py run. Objects 0, 1, 3 and
// 3442 (one resource of every type).
//
//   java -cp CLASSPATH LeshanDevice.java ENDPOINT URI DDF_DIRECTORY [bootstrap [IDENTITY KEY]]
//
// With "bootstrap" the URI is that of its bootstrap server, and it knows no other; KEY is in hex
// digits.
//
// Prints a line for what happens; understands "send PATH...", "change RESOURCE" (of 3442),
// "update", "stop".

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.object.Device;
import org.eclipse.leshan.client.object.LwM2mTestObject;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

public class LeshanDevice {
    private static void say(String what) {
        System.out.println(what);
        System.out.flush();
    }

    public static void main(String[] words) throws Exception {
        List<ObjectModel> models = new ArrayList<>(ObjectLoader.loadDefault());
        models.addAll(ObjectLoader.loadObjectsFromDir(new File(words[2])));
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(models));
        LwM2mTestObject everyType = new LwM2mTestObject();
        if (words.length > 3) {
            objects.setInstancesForObject(0, bootstrapAccount(words));
            objects.setClassForObject(1, Server.class);
        } else {
            objects.setInstancesForObject(0, Security.noSec(words[1], 123));
            objects.setInstancesForObject(1, new Server(123, 300));
        }
        objects.setInstancesForObject(3, new Device("A maker", "A model", "4711"));
        objects.setInstancesForObject(3442, everyType);
        LeshanClientBuilder builder = new LeshanClientBuilder(words[0]);
        builder.setObjects(objects.createAll());
        builder.setDataSenders(new ManualDataSender());
        builder.setEndpointsProviders(
            new CaliforniumClientEndpointsProvider.Builder(
                new CoapClientProtocolProvider(), new CoapsClientProtocolProvider()).build());
        LeshanClient client = builder.build();
        client.addObserver(new LwM2mClientObserverAdapter() {
            @Override
            public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
                say("bootstrapped");
            }

            @Override
            public void onBootstrapFailure(LwM2mServer server, BootstrapRequest request,
                    ResponseCode code, String message, Exception cause) {
                say("bootstrap refused " + code + " " + message + " " + cause);
            }

            @Override
            public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String id) {
                say("registered " + id);
            }

            @Override
            public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
                say("updated");
            }
        });
        client.start();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null && !line.equals("stop");
                line = input.readLine()) {
            obey(client, everyType, line.split(" "));
        }
        client.destroy(true);
        say("stopped");
    }

    private static Security bootstrapAccount(String[] words) {
        if (words.length == 4) {
            return Security.noSecBootstrap(words[1]);
        }
        return Security.pskBootstrap(words[1], words[4].getBytes(), Hex.decodeHex(words[5].toCharArray()));
    }

    private static void obey(LeshanClient client, LwM2mTestObject everyType, String[] words)
            throws Exception {
        switch (words[0]) {
            case "send":
                LwM2mServer server = client.getRegisteredServers().values().iterator().next();
                List<String> paths = Arrays.asList(words).subList(1, words.length);
                say("sent " + client.getSendService().sendData(
                    server, ContentFormat.SENML_CBOR, paths, 5000).getCode());
                break;
            case "change":
                everyType.fireResourceChange(Integer.parseInt(words[1]));
                break;
            case "update":
                client.triggerRegistrationUpdate();
                break;
            default:
                say("unknown " + words[0]);
        }
    }
}
