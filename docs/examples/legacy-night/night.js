'use strict';
// One night: smart resume starts everything and goes; then harvesting, its webhook, post scoring and lead scoring do their
// work for each client. What went wrong is answered as a list.

const { join } = require('node:path');

const CLIENTS = [
  { id: 'Guy-Wilson', name: 'Guy Wilson', apify: '8MSTBAfqMzuXPvgB3', leads: 12 },
  { id: 'Dean-Hobin', name: 'Dean Hobin', apify: 'AeljThOnfXhim2T31', leads: 7 },
];
const OPERATIONS = ['lead_scoring', 'post_harvesting', 'post_scoring'];

async function night({ services, runId, pause }) {
  const [{ smartResume }, { scoreLeads }, { harvestPosts }, { apifyCalledBack }, { scorePosts }] = [
    'smart-resume', 'lead-scoring', 'post-harvesting', 'webhook', 'post-scoring',
  ].map((name) => require(join(services, name)));
  const troubles = [];
  const log = (text) => troubles.push(text);
  const started = [];
  const start = (operation, client) => started.push({ operation, client });

  await smartResume({
    runId, stream: 1, clients: CLIENTS.map((client) => ({ ...client, operations: OPERATIONS })), start, pause, log,
  });

  const work = {
    post_harvesting: async (client) => {
      const apify = { runId: client.apify, posts: 9, profiles: 4 };
      await harvestPosts({ runId, client, apify, log });
      await pause();
      await apifyCalledBack({ apifyRunId: client.apify, client, posts: 10, log });
    },
    post_scoring: (client) => scorePosts({ runId, client, examined: 10, scored: 8, tokens: 800, log }),
    lead_scoring: (client) => {
      const chunk = { leads: client.leads, scored: client.leads - 1, tokens: client.leads * 100 };
      return scoreLeads({ runId, client, chunks: [chunk, chunk], pause, log });
    },
  };
  for (const operation of ['post_harvesting', 'post_scoring', 'lead_scoring']) {
    for (const { client } of started.filter((one) => one.operation === operation)) {
      await pause();
      await work[operation](CLIENTS.find(({ id }) => id === client));
    }
  }
  return troubles;
}

module.exports = { CLIENTS, night };

if (require.main === module) {
  const { rows, tick } = require('./older/table');
  const pause = async () => tick();
  night({ services: join(__dirname, 'services'), runId: '250925-231841', pause }).then((troubles) => {
    for (const row of [...rows.jobs, ...rows.clients]) {
      console.log(JSON.stringify(row.fields));
    }
    troubles.forEach((trouble) => console.log(trouble));
  });
}
