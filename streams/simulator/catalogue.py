"""What is sold: drugs with their generics, packs and prices, the ailments they treat, and the services hospitals bill."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from schemas.settlement import Diagnosis, Line

LINE_NAMES: Final = dict(zip(Line.__struct_fields__, Line.__struct_encode_fields__, strict=True))
"""Field name -> wire name of a fee line."""

_DIAGNOSIS_NAMES: Final = dict(zip(Diagnosis.__struct_fields__, Diagnosis.__struct_encode_fields__, strict=True))
_DIAGNOSIS: Final = (
    f'{{"{_DIAGNOSIS_NAMES["code"]}":"%s","{_DIAGNOSIS_NAMES["name"]}":"%s",'
    f'"{_DIAGNOSIS_NAMES["main"]}":"1","{_DIAGNOSIS_NAMES["kind"]}":"1"}}'
)
_ARTICLE: Final = "".join(
    f'"{LINE_NAMES[name]}":"%s",' for name in ("item_code", "item_name", "item_type", "charge_type")
)


def packed(fragment: str) -> str:
    """A piece of a message with each UTF-8 byte as one character: a message put together from such pieces is quick to encode.

    Python stores text with a single Chinese character in it at two bytes a character; the final ``encode("latin-1")`` of packed
    pieces is a copy. (Measured: about a quarter of the whole time of writing a city.)
    """
    return fragment.encode().decode("latin-1")


@dataclass(frozen=True, slots=True, eq=False)
class Article:
    """Something a fee line can bill: ``price`` in fen per unit, ``scope`` per cent of it inside the fund's scope.

    ``pack_days`` is how long one pack lasts (0 for a service), ``trace_prefix`` the product part of its trace codes.
    """

    code: str
    name: str
    generic: str
    price: int
    pack_days: int = 0
    monitored: bool = False
    scope: int = 100
    trace_prefix: str = ""
    item_type: str = "101"
    charge_type: str = "09"
    fragment: str = field(init=False)

    def __post_init__(self) -> None:
        fragment = _ARTICLE % (self.code, self.name, self.item_type, self.charge_type)
        object.__setattr__(self, "fragment", packed(fragment))


@dataclass(frozen=True, slots=True)
class Ailment:
    """A diagnosis with the generics that treat it; ``share`` of persons under 40, from 40 to 59, and from 60 on."""

    code: str
    name: str
    generics: tuple[str, ...]
    share: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fragment: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fragment", packed(_DIAGNOSIS % (self.code, self.name)))


# generic name, western (X) or Chinese patent (Z), price of a pack in yuan, days a pack lasts, on the watch list
_GENERICS: Final = (
    ("硝苯地平控释片", "X", 26, (7, 14, 30), False), ("缬沙坦氨氯地平片", "X", 34, (7, 14, 28), False),
    ("美托洛尔缓释片", "X", 18, (7, 14), False), ("苯磺酸氨氯地平片", "X", 14, (14, 28), False),
    ("二甲双胍缓释片", "X", 22, (10, 15, 30), False), ("阿卡波糖片", "X", 38, (10, 15), True),
    ("达格列净片", "X", 58, (14, 30), True), ("甘精胰岛素注射液", "X", 72, (10, 15), True),
    ("阿托伐他汀钙片", "X", 31, (7, 14, 28), True), ("瑞舒伐他汀钙片", "X", 29, (7, 14, 28), False),
    ("阿司匹林肠溶片", "X", 15, (15, 30), False), ("氯吡格雷片", "X", 43, (7, 28), False),
    ("复方丹参滴丸", "Z", 27, (9, 15), False), ("稳心颗粒", "Z", 36, (6, 9), True),
    ("沙库巴曲缬沙坦钠片", "X", 66, (7, 14), True), ("银杏叶片", "Z", 21, (12, 16), False),
    ("丁苯酞软胶囊", "X", 98, (6, 9), True), ("布地奈德福莫特罗粉吸入剂", "X", 120, (30,), False),
    ("孟鲁司特钠片", "X", 33, (5, 12), False), ("百令胶囊", "Z", 59, (7, 10), True),
    ("阿法骨化醇软胶囊", "X", 52, (10, 15), True), ("奥美拉唑肠溶胶囊", "X", 19, (7, 14), True),
    ("恩替卡韦片", "X", 46, (7, 14, 28), True), ("来氟米特片", "X", 64, (8, 15), True),
    ("吗替麦考酚酯胶囊", "X", 145, (10, 20), True), ("他克莫司胶囊", "X", 410, (25,), True),
    ("碳酸司维拉姆片", "X", 160, (10,), True), ("连花清瘟胶囊", "Z", 24, (4, 6), False),
    ("蒲地蓝消炎口服液", "Z", 32, (4,), False), ("阿莫西林胶囊", "X", 12, (4, 6), False),
    ("头孢克洛胶囊", "X", 28, (4, 6), False), ("氯雷他定片", "X", 17, (6, 12), False),
    ("布洛芬缓释胶囊", "X", 18, (5, 10), False), ("蒙脱石散", "X", 16, (4,), False),
    ("双氯芬酸钠凝胶", "X", 25, (7,), False), ("复方甘草片", "Z", 11, (5,), False),
    ("糠酸莫米松乳膏", "X", 22, (10,), False), ("板蓝根颗粒", "Z", 15, (5,), False),
)  # fmt: skip

CHRONIC: Final = (
    Ailment("I10", "原发性高血压", ("硝苯地平控释片", "缬沙坦氨氯地平片", "美托洛尔缓释片", "苯磺酸氨氯地平片"), (0.02, 0.22, 0.5)),
    Ailment("E11.9", "2型糖尿病", ("二甲双胍缓释片", "阿卡波糖片", "达格列净片", "甘精胰岛素注射液"), (0.01, 0.1, 0.2)),
    Ailment("E78.5", "高脂血症", ("阿托伐他汀钙片", "瑞舒伐他汀钙片"), (0.01, 0.1, 0.17)),
    Ailment(
        "I25.1", "冠状动脉粥样硬化性心脏病",
        ("阿司匹林肠溶片", "氯吡格雷片", "复方丹参滴丸", "稳心颗粒", "沙库巴曲缬沙坦钠片"), (0, 0.04, 0.17),
    ),
    Ailment("I69.3", "脑梗死后遗症", ("银杏叶片", "丁苯酞软胶囊"), (0, 0.01, 0.06)),
    Ailment("J44.9", "慢性阻塞性肺病", ("布地奈德福莫特罗粉吸入剂", "孟鲁司特钠片", "百令胶囊"), (0.01, 0.02, 0.07)),
    Ailment("M81.0", "骨质疏松", ("阿法骨化醇软胶囊",), (0, 0.02, 0.1)),
    Ailment("K29.5", "慢性胃炎", ("奥美拉唑肠溶胶囊",), (0.01, 0.04, 0.05)),
    Ailment("B18.1", "慢性乙型病毒性肝炎", ("恩替卡韦片",), (0.01, 0.025, 0.02)),
    Ailment("M06.9", "类风湿关节炎", ("来氟米特片",), (0.002, 0.008, 0.01)),
    Ailment("Z94.0", "肾移植状态", ("吗替麦考酚酯胶囊", "他克莫司胶囊"), (0.0004, 0.001, 0.0008)),
)  # fmt: skip
KIDNEY: Final = Ailment("N18.5", "慢性肾衰竭", ("碳酸司维拉姆片", "阿法骨化醇软胶囊"))
ACUTE: Final = (
    Ailment("J06.9", "急性上呼吸道感染", ("连花清瘟胶囊", "蒲地蓝消炎口服液", "阿莫西林胶囊", "头孢克洛胶囊", "板蓝根颗粒", "复方甘草片")),
    Ailment("K52.9", "非感染性胃肠炎", ("蒙脱石散", "奥美拉唑肠溶胶囊")),
    Ailment("M54.5", "腰痛", ("布洛芬缓释胶囊", "双氯芬酸钠凝胶")),
    Ailment("L30.9", "皮炎", ("糠酸莫米松乳膏", "氯雷他定片")),
    Ailment("R51", "头痛", ("布洛芬缓释胶囊",)),
)  # fmt: skip
WOUND: Final = Ailment("T14.1", "开放性伤口", ())
INFECTION: Final = Ailment("J18.9", "肺炎", ())
STAYS: Final = (
    INFECTION,
    Ailment("I63.9", "脑梗死", ()),
    Ailment("K80.2", "胆囊结石", ()),
    Ailment("I20.0", "不稳定性心绞痛", ()),
)


def _service(code: str, name: str, price: int, charge: str) -> Article:
    return Article(code, name, "", price * 100, item_type="201", charge_type=charge)


CONSULTATION: Final = _service("001102000010000", "普通门诊诊察费", 18, "02")
EMERGENCY: Final = _service("001102000030000", "急诊诊察费", 30, "02")
LABORATORY: Final = _service("002501010150000", "血常规及生化检验", 6, "04")
IMAGING: Final = _service("002103000010000", "影像学检查", 12, "03")
DIALYSIS: Final = _service("003110000010000", "血液透析", 400, "05")
INFUSION: Final = _service("001204000060000", "静脉输液", 26, "05")
DRESSING: Final = _service("001206000040000", "换药", 35, "05")
BED: Final = _service("001109000010000", "住院床位费", 45, "01")
NURSING: Final = _service("001201000030000", "住院护理费", 28, "07")
WARD_CARE: Final = _service("003300000000000", "住院检查治疗费", 100, "05")


class Catalogue:
    """All drugs on sale: two to five products per generic.

    ``products`` maps a generic name to its products, ``watched`` lists the products on the resale watch list.
    """

    def __init__(self, rng: Random) -> None:
        self.products: dict[str, tuple[Article, ...]] = {}
        self.generic_codes: dict[str, str] = {}
        serial = 0
        for number, (name, letter, price, packs, monitored) in enumerate(_GENERICS):
            self.generic_codes[name] = f"S{number:03d}"
            makers = []
            for _ in range(rng.randint(2, 5)):
                serial += 1
                days = rng.choice(packs)
                digits = 22 if letter == "X" else 19
                makers.append(
                    Article(
                        code=f"{letter}{number:04d}{rng.randrange(10 ** (digits - 4)):0{digits - 4}d}",
                        name=name,
                        generic=name,
                        price=round(price * 100 * days / packs[0] ** 0.3 / days**0.7 * rng.uniform(0.7, 1.3)),
                        pack_days=days,
                        monitored=monitored,
                        scope=90 if monitored else 100,
                        trace_prefix=f"83{serial:05d}",
                        charge_type="09" if letter == "X" else "11",
                    )
                )
            self.products[name] = tuple(makers)
        drugs = [drug for makers in self.products.values() for drug in makers]
        self.drugs: tuple[Article, ...] = tuple(drugs)
        self.watched: tuple[Article, ...] = tuple(drug for drug in drugs if drug.monitored)

    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the drug reference file, in the order of its columns."""
        return [
            (
                drug.code,
                drug.generic,
                self.generic_codes[drug.generic],
                str(drug.pack_days),
                f"{drug.price / 100:.2f}",
                "1" if drug.monitored else "0",
            )
            for drug in self.drugs
        ]
