"""The forward pass: from scores to probabilities to a loss

순전파: 점수에서 확률로, 확률에서 손실로

A linear layer gives scores. How do scores become probabilities, what happens to them when one bias grows by 1, and how does
one number, the loss, say how wrong the answer is?

선형 층은 점수를 냅니다. 점수는 어떻게 확률이 될까요? 편향 하나가 1 커지면 확률은 어떻게 달라질까요? 그리고 손실이라는 수
하나는 답이 얼마나 틀렸는지를 어떻게 나타낼까요?
"""

from __future__ import annotations

import math

import numpy as np

import chainrule as cr
from chainrule import data, nn
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves


def run(lab: Lab) -> None:
    lab.section("Softmax: cat, car, frog", "소프트맥스: 고양이, 자동차, 개구리")
    lab.text(
        en=r"""A classifier gives one score for each class: any number, the larger the likelier. **Softmax** makes
        probabilities of them: $e^{x}$ makes every score positive, dividing by the sum makes them add up to 1.

        $$p_i = \frac{e^{h_i}}{\sum_j e^{h_j}}$$""",
        ko=r"""분류기는 클래스마다 점수를 하나씩 냅니다. 점수는 아무 수나 될 수 있고 클수록 그럴듯하다는 뜻입니다.
        **소프트맥스**는 점수를 확률로 바꿉니다. $e^{x}$는 모든 점수를 양수로 만들고, 합으로 나누면 더해서 1이
        됩니다.

        $$p_i = \frac{e^{h_i}}{\sum_j e^{h_j}}$$""",
    )
    scores = cr.tensor([3.2, 5.1, -1.7], dtype=cr.float64)
    exponentials = cr.exp(scores)
    p = exponentials / exponentials.sum()

    animals = lab.say(["cat", "car", "frog"], ["고양이", "자동차", "개구리"])
    lab.table(
        ["", lab.say("score", "점수"), "$e^{h}$", "$p$"],
        [[animal, f"{h:.1f}", f"{e:.2f}", f"{q:.4f}"] for animal, h, e, q in zip(animals, scores, exponentials, p, strict=True)],
        en="Scores of one picture.", ko="그림 한 장의 점수.",
    )  # fmt: skip
    lab.matches("Cat, car, frog: $e^h$", "고양이, 자동차, 개구리의 $e^h$", exponentials, "24.5 164.0 0.18")
    lab.matches("Their probabilities", "그 확률", p, "0.13 0.87 0.00")

    lab.section("One score: the sigmoid", "점수가 하나일 때: 시그모이드")
    lab.text(
        en="""With two classes one score is enough: the **sigmoid** of it is the probability of the second class.
        The same input with two sets of weights:""",
        ko="""클래스가 둘이면 점수 하나로 충분합니다. 점수의 **시그모이드**가 둘째 클래스의 확률입니다. 같은 입력에
        두 가지 가중치를 써 봅시다.""",
    )
    x = cr.tensor([1.0, 2.0], dtype=cr.float64)
    weights = cr.tensor([[2.0, 3.0], [-4.0, -3.0]], dtype=cr.float64)
    h = weights @ x
    p = cr.sigmoid(h)

    lab.table(
        ["$w_1$", "$w_2$", "$h = w \\cdot x$", "$p$"],
        [[*w, a, f"{b:.7f}"] for w, a, b in zip(weights, h, p, strict=True)],
    )
    lab.matches("The weighted sums", "가중합", h, "8 -10")
    lab.matches("Their sigmoids", "그 시그모이드", p, "0.99966 0.0000454")

    lab.section("One flower", "꽃 한 송이")
    lab.text(
        en=r"""Now a whole layer. An iris with four measurements, three species, so three rows of weights and three
        biases: $h = W x + b$. The flower is a *virginica*, class 2 (counting from 0).""",
        ko=r"""이제 층 하나를 통째로 봅니다. 붓꽃 한 송이를 네 가지로 측정했고 품종은 셋이므로, 가중치는 세 행,
        편향은 세 개입니다: $h = W x + b$. 이 꽃은 *virginica*, 곧 (0부터 세어) 클래스 2입니다.""",
    )
    x = cr.tensor([6.3, 2.7, 4.9, 1.8], dtype=cr.float64)
    weight = cr.tensor(
        [
            [0.231595, 0.613372, -0.89624, -0.41208],
            [0.076107, -0.22382, 0.20313, -0.05043],
            [-0.30772, -0.38941, 0.693168, 0.462622],
        ],
        dtype=cr.float64,
    )
    bias = cr.tensor([1.123884, 0.319879, 0.844128], dtype=cr.float64)
    h = weight @ x + bias
    p = cr.softmax(h)

    species = ["setosa", "versicolor", "virginica"]
    lab.table(
        ["", "$h$", "$e^{h}$", "$p$"],
        [[name, f"{a:.5f}", f"{b:.4f}", f"{c:.6f}"] for name, a, b, c in zip(species, h, cr.exp(h), p, strict=True)],
    )
    lab.matches("The flower's scores", "꽃의 점수 $h$", h, "-0.89428 1.0996 2.08333")
    lab.matches("Their exponentials", "그 지수 $e^h$", cr.exp(h), "0.4089 3.0030 8.0311", within=6e-5)
    lab.matches(
        "The flower's probabilities, but for the slide's last digit: its weights had more digits than it prints",
        "꽃의 확률. 슬라이드는 인쇄된 것보다 자릿수가 많은 가중치로 계산했으므로 마지막 자리는 다릅니다",
        p, "0.035734 0.262425 0.701841", within=5e-6,
    )  # fmt: skip

    lab.section("What if b₂ grows by 1?", "b₂가 1 커지면?")
    lab.text(
        en=r"""The bias of *versicolor* enters one score only. Choose how much it grows, and see what follows: its
        own score moves by just as much, the other scores stay, but **all** probabilities change, because they share
        one sum.""",
        ko=r"""*versicolor*의 편향은 점수 하나에만 들어갑니다. 편향이 얼마나 커질지 고르고 결과를 보세요. 그 점수만
        같은 만큼 움직이고 나머지 점수는 그대로입니다. 그러나 확률은 합을 함께 쓰므로 **모두** 달라집니다.""",
    )
    second = cr.tensor([0.0, 1.0, 0.0], dtype=cr.float64)
    answers = {}
    for change in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0):
        changed = h + change * second
        answers[change] = changed, cr.softmax(changed), -cr.log_softmax(changed)[2]

    for change, (changed, q, loss) in answers.items():
        with lab.option(f"$b_2$ {change:+g}" if change else "$b_2$", chosen=change == 1):
            lab.table(
                ["", "$h$", "$e^{h}$", "$p$", lab.say("change of $p$", "$p$의 변화")],
                [
                    [name, f"{a:.4f}", f"{math.exp(a):.4f}", f"{b:.6f}", f"{b - before:+.6f}"]
                    for name, a, b, before in zip(species, changed.tolist(), q.tolist(), p.tolist(), strict=True)
                ],
                en=f"Loss for *virginica*: {loss.item():.5f}", ko=f"*virginica*에 대한 손실: {loss.item():.5f}",
            )  # fmt: skip
    grid = np.linspace(-4, 4, 161)
    moved = cr.softmax(h + cr.tensor(grid).reshape(-1, 1) * second, axis=1)
    lab.figure(
        curves, {"": {name: (grid, moved[:, i].numpy()) for i, name in enumerate(species)}},
        xlabel=lab.say("change of b₂", "b₂의 변화"), ylabel=lab.say("probability", "확률"),
        en="The probabilities of the one flower while b₂ moves.", ko="b₂가 움직일 때 이 꽃의 확률.",
    )  # fmt: skip
    lab.matches(
        "With $b_2 + 1$ the score of versicolor", "$b_2 + 1$일 때 versicolor의 점수", answers[1.0][0][1], "2.0996"
    )
    lab.matches(
        "With $b_2 + 1$ the probabilities",
        "$b_2 + 1$일 때 확률",
        answers[1.0][1],
        "0.024628 0.49165 0.483721",
        within=5e-6,
    )
    lab.claim(
        "The other two lose in proportion: their ratio stays",
        "나머지 둘은 같은 비율로 줄어듭니다: 둘의 비는 그대로입니다",
        measured=f"{p[2].item() / p[0].item():.6f}, {answers[1.0][1][2].item() / answers[1.0][1][0].item():.6f}",
        holds=math.isclose(
            p[2].item() / p[0].item(), answers[1.0][1][2].item() / answers[1.0][1][0].item(), rel_tol=1e-12
        ),
    )

    lab.section("The loss", "손실")
    lab.text(
        en=r"""How wrong is the answer? The **cross entropy** looks only at the probability of the true class:

        $$L = -\sum_i y_i \, \log p_i = -\log p_{\mathrm{true}}$$

        It is 0 for certainty and grows without limit as the true class is thought impossible. The slide's figures
        use the logarithm to base 10; chainrule, like every library, uses the natural one, which is larger by the
        factor $\log 10 = 2.302585$.""",
        ko=r"""답은 얼마나 틀렸을까요? **교차 엔트로피**는 정답 클래스의 확률만 봅니다.

        $$L = -\sum_i y_i \, \log p_i = -\log p_{\mathrm{true}}$$

        정답을 확신하면 0이고, 정답이 불가능하다고 볼수록 한없이 커집니다. 슬라이드의 수치는 밑이 10인 로그입니다.
        chainrule을 비롯한 라이브러리는 자연로그를 쓰며, 그 값은 $\log 10 = 2.302585$배입니다.""",
    )
    y = cr.one_hot(cr.tensor([2]), 3).double()[0]
    losses = [-(y * cr.log(q)).sum().item() for q in (p, answers[1.0][1])]
    to_base_10 = [loss / math.log(10) for loss in losses]

    lab.table(
        ["", lab.say("natural logarithm", "자연로그"), lab.say("base 10", "밑 10")],
        [[lab.say("before", "전"), losses[0], to_base_10[0]], [lab.say("with $b_2 + 1$", "$b_2 + 1$"), losses[1], to_base_10[1]]],
        decimals=5,
    )  # fmt: skip
    # Half a unit of the last digit, and what the slide's longer weights make of it.
    lab.matches(
        "The loss before and after, to base 10",
        "밑이 10인 손실, 변화 전과 후",
        to_base_10,
        "0.15376 0.31541",
        within=0.6e-5,
    )
    lab.matches(
        "The same with the natural logarithm", "자연로그로 계산한 손실", losses, "0.35405 0.72625", within=0.6e-5
    )

    lab.section("Three views of one loss", "한 손실을 보는 세 가지 눈")
    lab.text(
        en=r"""The same loss has three names. Let $t$ be the target distribution and $p$ the answer.

        - **Negative log likelihood**: $-\log \prod_i p_i^{t_i}$, how unlikely the data are if $p$ were true.
        - **Cross entropy**: $H(t, p) = -\sum_i t_i \, \log p_i$, the length of messages about $t$ in a code made
          for $p$.
        - **KL divergence**: $\sum_i t_i \, \log (t_i / p_i)$, how much longer they are than need be.

        The first two are the same number; the third is smaller by the entropy of $t$, which no weight can change.
        So their gradients are one and the same, $p - t$, and minimising any of them is minimising all. We take a
        target that is not one-hot, so that the entropy is not 0.""",
        ko=r"""같은 손실을 세 가지 이름으로 부릅니다. 목표 분포를 $t$, 답을 $p$라 합시다.

        - **음의 로그 가능도(NLL)**: $-\log \prod_i p_i^{t_i}$. $p$가 참이라면 이 데이터가 얼마나 나오기 어려운가.
        - **교차 엔트로피**: $H(t, p) = -\sum_i t_i \, \log p_i$. $p$에 맞춘 부호로 $t$를 적을 때의 길이.
        - **KL 발산**: $\sum_i t_i \, \log (t_i / p_i)$. 그 길이가 필요한 것보다 얼마나 더 긴가.

        앞의 둘은 같은 수입니다. 셋째는 $t$의 엔트로피만큼 작은데, 엔트로피는 가중치가 바꿀 수 없는 상수입니다.
        그래서 기울기는 모두 $p - t$로 같고, 어느 하나를 최소화하면 셋 다 최소가 됩니다. 엔트로피가 0이 되지 않도록
        원-핫이 아닌 목표를 써 봅시다.""",
    )
    t = cr.tensor([0.2, 0.5, 0.3], dtype=cr.float64)
    views = {
        lab.say("negative log likelihood", "음의 로그 가능도"): lambda h: -cr.log(cr.prod(cr.softmax(h) ** t)),
        lab.say("cross entropy", "교차 엔트로피"): lambda h: -(t * cr.log_softmax(h)).sum(),
        lab.say("KL divergence", "KL 발산"): lambda h: (t * (cr.log(t) - cr.log_softmax(h))).sum(),
    }
    likelihood, cross, divergence = values = [view(h).item() for view in views.values()]
    gradients = [cr.grad(view)(h).numpy() for view in views.values()]
    entropy = -(t * cr.log(t)).sum().item()
    ways = [[view(h + change * second).item() for change in grid] for view in views.values()]

    lab.table(
        [*lab.say(["view", "value"], ["이름", "값"]), *(f"$\\partial L / \\partial h_{i}$" for i in range(3))],
        [[name, value, *slopes] for name, value, slopes in zip(views, values, gradients, strict=True)], decimals=6,
        en=f"For the one flower and the target 0.2, 0.5, 0.3, whose entropy is {entropy:.6f}.",
        ko=f"목표 0.2, 0.5, 0.3(엔트로피 {entropy:.6f})에 대한 값.",
    )  # fmt: skip
    lab.figure(
        curves,
        {"": {name: (grid, way) for name, way in zip(views, ways, strict=True)}},
        xlabel=lab.say("change of b₂", "b₂의 변화"),
        ylabel=lab.say("loss", "손실"),
        en="Curves of one shape: the lowest point is the same for all three.",
        ko="모양이 같은 곡선들: 가장 낮은 곳이 셋 다 같습니다.",
    )
    lab.agrees(
        "Negative log likelihood and cross entropy are one number",
        "음의 로그 가능도와 교차 엔트로피는 같은 수입니다",
        likelihood, cross, within=1e-14,
    )  # fmt: skip
    lab.agrees(
        "Cross entropy is KL divergence plus the target's entropy",
        "교차 엔트로피 = KL 발산 + 목표의 엔트로피",
        cross, divergence + entropy, within=1e-14,
    )  # fmt: skip
    lab.agrees(
        "The gradients of all three are $p - t$", "셋의 기울기는 모두 $p - t$입니다",
        gradients, [(p - t).numpy()] * 3, within=1e-14,
    )  # fmt: skip

    lab.section("All flowers at once", "모든 꽃을 한 번에")
    lab.text(
        en=r"""One matrix product does for 150 flowers what it did for one: $H = X W^\top + b$. How good are these
        weights?""",
        ko=r"""행렬 곱 한 번이면 한 송이에 한 일을 150송이에 합니다: $H = X W^\top + b$. 이 가중치는 얼마나
        좋을까요?""",
    )
    flowers = data.iris(dtype=np.float64)
    scores = cr.tensor(flowers.inputs) @ weight.T + bias
    right = (scores.argmax(axis=1).numpy() == flowers.targets).mean()
    loss = nn.functional.cross_entropy(scores, cr.tensor(flowers.targets)).item()

    lab.figure(
        cr.show.confusion, flowers.targets, scores, classes=species,
        en="Which species the slide's weights see.", ko="슬라이드의 가중치가 알아보는 품종.",
    )  # fmt: skip
    lab.claim(
        "The slide's weights are still learning: they tell two species apart and never answer versicolor",
        "슬라이드의 가중치는 아직 학습 중입니다: 두 품종은 구별하지만 versicolor라고는 한 번도 답하지 않습니다",
        measured=lab.say(f"{100 * right:.1f} % right, loss {loss:.4f}", f"정답 {100 * right:.1f} %, 손실 {loss:.4f}"),
        holds=round(150 * right) == 100 and not (scores.argmax(axis=1) == 1).any(),
    )
    lab.next(
        en=r"""- Which of the three biases must grow, and by how much, for the flower to be called *setosa*?
        - Multiply all scores by 10, then by 0.1. What becomes of the probabilities, and of the loss?
        - Where is the gradient $p - y$ largest: at a confident right answer, an unsure one, or a confident wrong
          one?""",
        ko=r"""- 이 꽃을 *setosa*라고 답하려면 어느 편향이 얼마나 커져야 할까요?
        - 모든 점수에 10을, 또 0.1을 곱해 보세요. 확률과 손실은 어떻게 될까요?
        - 기울기 $p - y$가 가장 큰 것은 언제일까요: 자신 있게 맞혔을 때, 망설일 때, 자신 있게 틀렸을 때?""",
    )
