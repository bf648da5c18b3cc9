"""Learning from reward: a pole on a cart, by REINFORCE and by DQN

보상에서 배우기: REINFORCE와 DQN으로 세우는 막대

Nobody says which push is right; there is only a point for each moment that the pole still stands. How does a network learn
from that, and how far do two classical ways get?

어느 쪽으로 미는 것이 정답인지는 아무도 알려 주지 않습니다. 막대가 서 있는 순간마다 1점을 받을 뿐입니다. 신경망은 여기서
어떻게 배우고, 고전적인 두 방법은 어디까지 갈까요?
"""

from __future__ import annotations

import copy
import importlib.util

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.cartpole import pole_strips, push_planes
from chainrule.labs.lesson.plots import curves

# Usual sizes of place, speed, angle and turning speed: metres, radians, seconds.
SIZES = np.array([2.4, 2.0, 0.2, 2.0])


class CartPole:
    """Many poles on carts; rows of ``state``: place, speed, angle, turning speed."""

    def __init__(self, count, random):
        self.state = random.uniform(-0.05, 0.05, (count, 4))

    def push(self, right):
        """Push each cart, 10 newtons for 0.02 seconds; which poles are down now."""
        _, speed, angle, turning = self.state.T
        force = np.where(right, 10.0, -10.0)
        sine, cosine = np.sin(angle), np.cos(angle)
        # A cart of 1 kg, a pole of 0.1 kg and half a length of 0.5 m, no friction.
        thrust = (force + 0.05 * turning**2 * sine) / 1.1
        falling = (9.8 * sine - cosine * thrust) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        pulling = thrust - 0.05 * falling * cosine / 1.1
        change = np.stack([speed, pulling, turning, falling], axis=1)
        self.state = self.state + 0.02 * change
        return (abs(self.state[:, 0]) > 2.4) | (abs(self.state[:, 2]) > np.radians(12))


def seen(state):
    """What a network is shown: each number divided by its usual size."""
    return (state / SIZES).astype(np.float32)


def episodes(chance_of_right, count, random, limit=500):
    """Play ``count`` poles until all are down, at most ``limit`` steps.

    Returns what was seen (limit, count, 4), and for each (limit, count) what was done and
    whether the pole still stood.
    """
    game, standing = CartPole(count, random), np.ones(count, bool)
    states = np.zeros((limit, count, 4), np.float32)
    pushes, stood = np.zeros((limit, count), np.int64), np.zeros((limit, count), bool)
    for t in range(limit):
        states[t], stood[t] = seen(game.state), standing
        pushes[t] = random.random(count) < chance_of_right(states[t])
        standing = standing & ~game.push(pushes[t])
        if not standing.any():
            break
    return states, pushes, stood


def points(chance_of_right, random, count=100):
    """The points that a policy makes in ``count`` episodes: one for each step."""
    return episodes(chance_of_right, count, random)[2].sum(axis=0)


def to_come(stood, discount=0.99):
    """At each step the points still to come, later ones counting less."""
    total, ahead = np.zeros(stood.shape), 0.0
    for t in reversed(range(len(stood))):
        total[t] = ahead = stood[t] + discount * ahead
    return total


def reinforce(updates, random, poles=16):
    """Scores for left and right by REINFORCE; steps and mean points of each batch."""
    policy = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = optim.Adam(policy.parameters(), lr=0.02)
    scores = cr.Predictor(policy)

    @cr.compile
    def learn(states, pushes, advantages):
        optimizer.zero_grad()
        surprise = nn.functional.cross_entropy(policy(states), pushes, reduction="none")
        (advantages * surprise).sum().backward()
        optimizer.step()

    history = []
    for _ in range(updates):
        states, pushes, stood = episodes(lambda s: right_share(scores(s)), poles, random)
        ahead = to_come(stood)
        better = (ahead - ahead[stood].mean()) / ahead[stood].std()
        advantages = np.where(stood, better, 0) / stood.sum()
        learn(states.reshape(-1, 4), pushes.ravel(), advantages.ravel().astype(np.float32))
        history.append((stood.sum(), stood.sum(axis=0).mean()))
    return scores, np.array(history)


def right_share(scores):
    """Softmax of two scores: the probability of pushing right."""
    return 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))


def greedy(scores):
    """The policy that always does what has the higher score."""
    return lambda states: scores(states).argmax(axis=1)


def dqn(steps, random, poles=8, discount=0.95, batch=128):
    """Worth of left and right by DQN; steps played and mean points at each examination."""
    values = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
    target = copy.deepcopy(values)
    optimizer = optim.Adam(values.parameters(), lr=0.003)
    worth = cr.Predictor(values)

    @cr.compile
    def learn(before, push, after, stands):
        optimizer.zero_grad()
        with cr.no_grad():
            wanted = 1 + discount * stands * target(after).max(axis=1)
        had = (values(before) * cr.one_hot(push, 2)).sum(axis=1)
        nn.functional.huber_loss(had, wanted).backward()
        optimizer.step()

    size = steps * poles
    memory = (np.empty((size, 4), np.float32), np.empty(size, np.int64),
              np.empty((size, 4), np.float32), np.empty(size, np.float32))  # fmt: skip
    game, age, history, best = CartPole(poles, random), np.zeros(poles, int), [], -1.0
    for step in range(steps):
        before, curious = seen(game.state), random.random(poles) < max(0.05, 1 - step / 1000)
        push = np.where(curious, random.integers(0, 2, poles), worth(before).argmax(axis=1))
        down = game.push(push)
        age += 1
        for part, value in zip(memory, (before, push, seen(game.state), ~down), strict=True):
            part[step * poles : (step + 1) * poles] = value
        over = down | (age == 500)
        game.state[over], age[over] = random.uniform(-0.05, 0.05, (over.sum(), 4)), 0
        if step % 100 == 0:
            target.load_state_dict(values.state_dict())
        if step >= 50:
            drawn = random.integers(0, (step + 1) * poles, batch)
            learn(*(part[drawn] for part in memory))
        if (step + 1) % 250 == 0:
            mean = points(greedy(worth), random, count=20).mean()
            history.append(((step + 1) * poles, mean))
            if mean > best:
                best, kept = mean, values.state_dict()
    values.load_state_dict(kept)
    return worth, np.array(history)


def gradient(policy, played, baseline):
    """The policy gradient of some episodes as one vector; baseline: take the mean off."""
    states, pushes, stood = played
    ahead = to_come(stood)[stood]
    advantages = cr.tensor((ahead - baseline * ahead.mean()).astype(np.float32))
    scores, done = policy(cr.tensor(states[stood])), cr.tensor(pushes[stood])
    surprise = nn.functional.cross_entropy(scores, done, reduction="none")
    policy.zero_grad()
    (advantages * surprise).mean().backward()
    return np.concatenate([p.grad.numpy().ravel() for p in policy.parameters()])


def noise(gradients):
    """How far gradients scatter, in lengths of their mean."""
    mean = gradients.mean(axis=0)
    return np.sqrt(((gradients - mean) ** 2).sum(axis=1).mean() / (mean**2).sum())


def compare_with_gymnasium(random, steps=1000):
    """Push Gymnasium's pole and ours alike: largest difference, and whether both fall."""
    import gymnasium

    theirs, ours = gymnasium.make("CartPole-v1").unwrapped, CartPole(1, random)
    largest, alike = 0.0, True
    theirs.reset(seed=0)
    for _ in range(steps):
        push = int(random.integers(0, 2))
        ours.state[0] = theirs.state
        down = theirs.step(push)[2]
        alike &= bool(ours.push(push)[0]) == down
        largest = max(largest, abs(ours.state[0] - theirs.state).max())
        if down:
            theirs.reset()
    return largest, alike


def points_in_gymnasium(policy, count=20):
    """What a policy makes in Gymnasium's CartPole-v1."""
    import gymnasium

    game, total = gymnasium.make("CartPole-v1"), []
    for seed in range(count):
        state, over, made = game.reset(seed=seed)[0], False, 0.0
        while not over:
            state, reward, down, late, _ = game.step(int(policy(seen(state[None]))[0]))
            made, over = made + reward, down or late
        total.append(made)
    return np.array(total)


def run(lab: Lab) -> None:
    lab.section("The game", "게임")
    lab.text(
        en="""A cart on a track carries a pole on a hinge (A. Barto, R. Sutton and C. Anderson, 1983). Fifty times a
        second it must be pushed, left or right, with the same force. Each step gives one **point**; the episode is over
        when the pole leans more than 12 degrees, the cart leaves the track of 4.8 metres, or 500 points are made. A
        **policy** says what to do in each state. Two that nobody has trained: push at random, and push to the side
        to which the pole leans.""",
        ko="""수레 위에 막대가 경첩으로 달려 있습니다(A. Barto, R. Sutton, C. Anderson, 1983). 1초에 50번, 같은 힘으로 왼쪽이나
        오른쪽으로 밀어야 합니다. 한 걸음마다 **1점**을 받고, 막대가 12도 넘게 기울거나 수레가 4.8미터 트랙을 벗어나거나
        500점을 채우면 에피소드가 끝납니다. 상태마다 무엇을 할지 정하는 것을 **정책**이라고 합니다. 먼저 학습하지 않은 정책
        두 가지를 봅시다. 아무렇게나 밀기, 그리고 막대가 기운 쪽으로 밀기입니다.""",
    )
    lab.code("SIZES", CartPole, seen, episodes, points)
    cr.manual_seed(lab.seed)
    random = np.random.default_rng(lab.seed)
    by_chance = points(lambda states: 0.5, random, count=500)
    by_rule = points(lambda states: states[:, 2] > 0, random)
    states, _, stood = episodes(lambda states: 0.5, 1, random)

    lab.figure(
        pole_strips,
        {"": states[: stood.sum(), 0] * SIZES}, words=lab.say("step {}", "{}걸음"),
        en="One episode of random pushes, until the pole is down.",
        ko="아무렇게나 밀었을 때의 한 에피소드. 막대가 쓰러질 때까지.",
    )  # fmt: skip
    lab.claim(
        "Random pushes keep the pole up for 15 to 30 steps on average",
        "아무렇게나 밀면 막대는 평균 15~30걸음 서 있습니다",
        measured=f"{by_chance.mean():.1f}", holds=15 < by_chance.mean() < 30,
    )  # fmt: skip
    lab.claim(
        "Pushing to where it leans makes more points, but less than a fifth of the 500",
        "기운 쪽으로 밀면 점수가 늘지만 500점의 5분의 1에도 못 미칩니다",
        measured=f"{by_rule.mean():.1f}", holds=1.3 * by_chance.mean() < by_rule.mean() < 100,
    )  # fmt: skip
    lab.text(
        en="""Many people know this game from Gymnasium, as `CartPole-v1`. Where that is installed, the two are pushed alike
        and compared.""",
        ko="""이 게임은 Gymnasium의 `CartPole-v1`로 널리 알려져 있습니다. Gymnasium이 설치되어 있으면 두 게임을 똑같이 밀면서
        비교합니다.""",
    )
    lab.code(compare_with_gymnasium)
    installed = importlib.util.find_spec("gymnasium") is not None
    if not installed:
        lab.note(
            en='Gymnasium is not installed here, so nothing was compared. `pip install "chainrule[gym]"` adds it.',
            ko='여기에는 Gymnasium이 없어 비교하지 않았습니다. `pip install "chainrule[gym]"`로 설치할 수 있습니다.',
        )  # fmt: skip
    if installed:
        difference, alike = compare_with_gymnasium(np.random.default_rng(1))
        lab.claim(
            "A thousand steps of Gymnasium's pole and of ours agree to rounding, and end alike",
            "Gymnasium의 막대와 우리 막대는 천 걸음 동안 반올림 오차까지 같고, 쓰러지는 때도 같습니다",
            measured=f"{difference:.1e}", holds=difference < 1e-12 and alike,
        )  # fmt: skip

    lab.section("REINFORCE: do more of what went well", "REINFORCE: 잘된 일을 더 자주")
    lab.text(
        en=r"""Let a network give the probability $\pi(a \mid s)$ of each push (R. Williams, 1992). Play some episodes.
        What was done at each step counts as well done as far as the points that came after it, $G_t$, lie above the mean,
        $b$. Make what went well more probable:

        $$\nabla J = \mathrm{E} \sum_t (G_t - b) \, \nabla \log \pi(a_t \mid s_t)$$

        $-\log \pi(a \mid s)$ is the cross entropy of classification, with what was *done* as the label. So learning from
        reward is learning to classify one's own pushes, each with a weight that may be negative.""",
        ko=r"""신경망이 각 행동의 확률 $\pi(a \mid s)$를 내게 합니다(R. Williams, 1992). 에피소드를 몇 번 해 봅니다. 어떤
        걸음에서 한 행동은 그 뒤에 얻은 점수 $G_t$가 평균 $b$보다 큰 만큼 잘한 것으로 칩니다. 그리고 잘한 행동의 확률을
        높입니다.

        $$\nabla J = \mathrm{E} \sum_t (G_t - b) \, \nabla \log \pi(a_t \mid s_t)$$

        $-\log \pi(a \mid s)$는 분류의 교차 엔트로피와 같고, 라벨 자리에 *실제로 한 행동*이 놓입니다. 그러니 보상에서
        배우는 것은 자기 행동을 분류하는 법을 배우는 것과 같습니다. 다만 하나하나에 음수일 수도 있는 가중치가 붙습니다.""",
    )
    lab.code(to_come, right_share, gradient, noise)
    scores = cr.tensor([[0.3, -0.2], [1.5, 0.4]], dtype=cr.float64, requires_grad=True)
    done = cr.tensor([0, 1])
    nn.functional.cross_entropy(scores, done, reduction="sum").backward()
    by_formula = cr.softmax(scores, axis=1) - cr.one_hot(done, 2)

    policy = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    guess = cr.Predictor(policy)
    count = lab.scale(100, quick=40)
    batches = [episodes(lambda s: right_share(guess(s)), 16, random) for _ in range(count)]
    with_all, without_mean = (
        noise(np.array([gradient(policy, played, baseline) for played in batches]))
        for baseline in (False, True)
    )  # fmt: skip

    lab.agrees(
        "Its gradient by the scores is $\\pi - a$: probability minus what was done",
        "점수에 대한 기울기는 $\\pi - a$, 곧 확률에서 한 행동을 뺀 것입니다",
        scores.grad, by_formula.detach(), within=1e-15,
    )  # fmt: skip
    lab.claim(
        "Taking off the mean makes the gradient quieter: it scatters less from one batch of 16 episodes to the next",
        "평균을 빼면 기울기의 잡음이 줄어듭니다. 에피소드 16개씩 뽑을 때마다 기울기가 덜 흩어집니다",
        measured=f"{with_all:.2f} → {without_mean:.2f}", holds=without_mean < 0.9 * with_all,
    )  # fmt: skip
    lab.text(
        en="""In training the advantages are also divided by their deviation, so that the learning rate means the same for
        short episodes and for long ones. Steps after a fall have the weight 0.""",
        ko="""학습할 때는 이렇게 구한 값을 표준편차로도 나눕니다. 그러면 에피소드가 짧든 길든 학습률의 뜻이 같아집니다. 쓰러진
        뒤의 걸음에는 가중치 0을 둡니다.""",
    )
    lab.code(reinforce, greedy)
    batch_scores, batch_history = reinforce(lab.scale(60, quick=30), random)
    batch_points = points(greedy(batch_scores), random)

    lab.claim(
        "REINFORCE has learned it: more than ten times the points of chance, in 100 new episodes",
        "REINFORCE가 배웠습니다. 새 에피소드 100번에서 우연의 열 배가 넘는 점수를 얻습니다",
        measured=f"{batch_points.mean():.1f}", holds=batch_points.mean() > 10 * by_chance.mean(),
    )  # fmt: skip

    lab.section("DQN: learn what a push is worth", "DQN: 행동의 가치를 배우기")
    lab.text(
        en=r"""The other way learns a **value** $Q(s, a)$: the points to come after a push, if one goes on well (C. Watkins,
        1989). It needs no whole episodes, since one step tells how two values belong together:

        $$Q(s, a) = 1 + \gamma \max_{a'} Q(s', a')$$

        and just 1 if the pole is down. The **deep Q-network** (V. Mnih and others, 2015) learns this equation by
        regression, with two precautions. A **memory** holds all steps, and batches are drawn from it at random; and the
        right side is computed by a **target network**, a copy that is renewed now and then. A share of the pushes is
        random, so that it sees something new. Points to come are discounted by $\gamma = 0.95$.""",
        ko=r"""다른 방법은 **가치** $Q(s, a)$, 곧 어떤 행동 뒤로 잘해 나갔을 때 앞으로 얻을 점수를 배웁니다(C. Watkins, 1989).
        에피소드가 끝나기를 기다릴 필요가 없습니다. 한 걸음만으로도 두 가치의 관계를 알 수 있기 때문입니다.

        $$Q(s, a) = 1 + \gamma \max_{a'} Q(s', a')$$

        막대가 쓰러졌다면 그냥 1입니다. **심층 Q 신경망**(DQN; V. Mnih 등, 2015)은 이 식을 회귀로 배우되 두 가지를
        조심합니다. 모든 걸음을 **메모리**에 두고 배치를 무작위로 뽑으며, 오른쪽 변은 가끔 새로 베끼는 사본인 **목표
        신경망**으로 계산합니다. 새로운 것을 보도록 행동의 일부는 아무렇게나 합니다. 앞으로의 점수는
        $\gamma = 0.95$로 할인합니다.""",
    )
    lab.code(dqn)
    worth, exam_history = dqn(lab.scale(12_000, quick=3000), random)
    exam_points = points(greedy(worth), random)
    exams = exam_history[:, 1]
    falls = 1 - exams / np.maximum.accumulate(exams)

    lab.figure(
        curves,
        {
            "REINFORCE": {"": (batch_history[:, 0].cumsum(), batch_history[:, 1])},
            lab.say("DQN, examined", "DQN 시험"): {"": exam_history.T},
        },
        columns=2, xlabel=lab.say("steps played", "지금까지의 걸음"), ylabel=lab.say("mean points", "평균 점수"),
        en="While learning. REINFORCE: the episodes that it learns from. DQN: 20 episodes without random pushes.",
        ko="학습하는 동안의 점수. REINFORCE는 배우는 데 쓴 에피소드, DQN은 무작위 행동 없이 치른 에피소드 20번입니다.",
    )  # fmt: skip
    lab.claim(
        "DQN has learned it, too: the best of its examined networks makes more than five times the points of chance",
        "DQN도 배웠습니다. 시험을 가장 잘 치른 신경망이 우연의 다섯 배가 넘는 점수를 얻습니다",
        measured=f"{exam_points.mean():.1f}", holds=exam_points.mean() > 5 * by_chance.mean(),
    )  # fmt: skip
    lab.claim(
        "But it does not only get better: at some examination it has lost more than a tenth of what it could before",
        "그러나 늘 나아지기만 하지는 않습니다. 어떤 시험에서는 앞서 할 수 있던 것의 10분의 1 넘게 잃습니다",
        measured=lab.say(f"up to {100 * falls.max():.0f} % lost", f"최대 {100 * falls.max():.0f} % 잃음"),
        holds=falls.max() > 0.1,
    )  # fmt: skip
    lab.text(
        en="""That is why `dqn` keeps the network of its best examination. The labels of its regression come from the
        network itself, and the states from its own play, so nothing holds it where it was good.""",
        ko="""그래서 `dqn`은 시험을 가장 잘 치른 신경망을 남겨 둡니다. 회귀의 라벨을 신경망 자신이 만들고 상태도 자기가 한
        게임에서 나오므로, 잘하던 자리에 붙들어 두는 것이 없습니다.""",
    )

    lab.section("Side by side", "나란히 놓고 보기")
    angles, turnings = np.linspace(-12, 12, 49), np.linspace(-2, 2, 49)
    grid = [[0, 0, np.radians(angle), turning] for turning in turnings for angle in angles]
    scores, values = batch_scores(seen(np.array(grid))), worth(seen(np.array(grid)))
    leaning = {"REINFORCE": right_share(scores) - 0.5, "DQN": values[:, 1] - values[:, 0]}
    learned = {"REINFORCE": greedy(batch_scores), "DQN": greedy(worth)}
    played = {name: episodes(policy, 1, random) for name, policy in learned.items()}

    lab.table(
        lab.say(
            ["policy", "mean points", "least", "most", "steps played to learn"],
            ["정책", "평균 점수", "최소", "최대", "학습하며 한 걸음 수"],
        ),
        [
            [name, f"{made.mean():.1f}", int(made.min()), int(made.max()), int(steps)]
            for name, made, steps in (
                (lab.say("random", "무작위"), by_chance, 0),
                (lab.say("to where it leans", "기운 쪽으로"), by_rule, 0),
                ("REINFORCE", batch_points, batch_history[:, 0].sum()),
                ("DQN", exam_points, exam_history[-1, 0]),
            )
        ],
        en="Points in new episodes; 500 is the most. The steps of DQN's examinations are not counted.",
        ko="새 에피소드의 점수. 최대는 500입니다. DQN이 시험을 치르며 한 걸음은 세지 않았습니다.",
    )  # fmt: skip
    lab.figure(
        pole_strips,
        {name: states[: stood.sum(), 0] * SIZES for name, (states, _, stood) in played.items()},
        words=lab.say("step {}", "{}걸음"),
        en="One episode of each learned policy.", ko="학습한 정책마다 한 에피소드.",
    )  # fmt: skip
    lab.figure(
        push_planes, {name: values.reshape(49, 49) for name, values in leaning.items()}, angles, turnings,
        xlabel=lab.say("angle, degrees", "각도(도)"), ylabel=lab.say("turning, radians a second", "회전 속도(라디안/초)"),
        en="Where each pushes left (orange) and right (blue), the cart at rest in the middle. On the line it is undecided.",
        ko="수레가 가운데 멈춰 있을 때 왼쪽으로 미는 곳(주황)과 오른쪽으로 미는 곳(파랑). 선 위에서는 반반입니다.",
    )  # fmt: skip
    lab.code(points_in_gymnasium)
    if installed:
        there = {name: points_in_gymnasium(policy) for name, policy in learned.items()}
        lab.claim(
            "In Gymnasium's game the two networks make more than five times the points of chance as well",
            "Gymnasium의 게임에서도 두 신경망은 우연의 다섯 배가 넘는 점수를 얻습니다",
            measured=", ".join(f"{name} {made.mean():.1f}" for name, made in there.items()),
            holds=all(made.mean() > 5 * by_chance.mean() for made in there.values()),
        )
    lab.next(
        en="""- Leave the mean in: `advantages = ahead` without `- ahead[stood].mean()`. How many updates does REINFORCE need
        now?
        - Renew DQN's target network at every step, then every 1000. What becomes of the examinations?
        - Give DQN a memory of only the last 2000 steps. What does it forget?
        - Halve the force in `CartPole.push` after learning. Which of the two policies bears it better?""",
        ko="""- `- ahead[stood].mean()`을 빼고 평균을 그대로 두어 보세요. 이제 REINFORCE는 갱신을 몇 번이나 해야 할까요?
        - DQN의 목표 신경망을 걸음마다, 다음에는 1000걸음마다 새로 베껴 보세요. 시험 점수는 어떻게 될까요?
        - DQN의 메모리에 마지막 2000걸음만 두어 보세요. 무엇을 잊을까요?
        - 학습이 끝난 뒤 `CartPole.push`의 힘을 절반으로 줄여 보세요. 어느 정책이 더 잘 버틸까요?""",
    )
