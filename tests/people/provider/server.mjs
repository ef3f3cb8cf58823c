// A real OpenID provider with the people of the tests. node server.mjs PORT CLIENTS PEOPLE: a client and its redirect addresses by
// id, and the claims of each person by login, both as JSON.
import Provider from 'oidc-provider';

const [port, clients, people] = [Number(process.argv[2]), JSON.parse(process.argv[3]), JSON.parse(process.argv[4])];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: Object.entries(clients).map(([client_id, client]) => ({
    client_id,
    ...(client.secret ? { client_secret: client.secret } : { token_endpoint_auth_method: 'none' }),
    redirect_uris: client.redirect_uris,
    grant_types: ['authorization_code'],
    response_types: ['code'],
  })),
  pkce: { required: () => true, methods: ['S256'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  cookies: { keys: ['of the tests'] },
});
provider.listen(port, '127.0.0.1');
