/* Operations that are known and not served: each is refused by name. */
#include "personality/docker/handlers.h"
#include "personality/docker/router.h"

void docker_refuse(struct docker_req *r)
{
    docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED, "%s is not served here: %s", r->route->operation,
                        r->route->instead);
}

/* As a Docker Engine that is in no swarm. */
void docker_refuse_swarm(struct docker_req *r)
{
    docker_reply_errorf(r, VIC_ERR_UNAVAILABLE,
                        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker "
                        "swarm join\" to connect this node to swarm and try again.");
}
